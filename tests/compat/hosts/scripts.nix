# Activation scripts of modules, in an order that NixOS's own have a part in; those do not run.
{ modulesPath, ... }:
{
  imports = [
    "${modulesPath}/services/misc/keys.nix"
    "${modulesPath}/system/activation/activation-script.nix"
  ];
  services.keys.enable = true;
  system.activationScripts.after-all = {
    deps = [ "keys" ];
    text = "true";
  };
}
