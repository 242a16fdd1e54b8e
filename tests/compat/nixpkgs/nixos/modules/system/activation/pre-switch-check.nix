# Says whether a switch may be, as a script that only NixOS's own switch calls.
{
  config,
  lib,
  pkgs,
  ...
}:
{
  options.system.preSwitchChecks = lib.mkOption {
    type = lib.types.attrsOf lib.types.str;
    default = { };
    description = "The checks.";
  };
  options.system.preSwitchChecksScript = lib.mkOption {
    type = lib.types.pathInStore;
    default = lib.getExe (
      pkgs.writeShellApplication {
        name = "pre-switch-checks";
        text = lib.concatLines (builtins.attrValues config.system.preSwitchChecks);
      }
    );
    internal = true;
    readOnly = true;
    description = "What calls them.";
  };
}
