# Puts the script that activates a NixOS into its toplevel.
{
  config,
  lib,
  ...
}:
{
  options.system.activatable = lib.mkOption {
    type = lib.types.bool;
    default = true;
    description = "Whether it is there.";
  };
  config.environment.etc."activate".text = config.system.activationScripts.script;
}
