# Imports of what is in force anyway, and of what ours replace: nothing is declared twice, and nothing of it acts.
{ config, modulesPath, ... }:
{
  imports = [
    "${modulesPath}/config/resolvconf.nix"
    "${modulesPath}/misc/ids.nix"
    "${modulesPath}/misc/meta.nix"
    "${modulesPath}/misc/version.nix"
    "${modulesPath}/rename.nix"
    "${modulesPath}/system/activation/activatable-system.nix"
    "${modulesPath}/system/activation/pre-switch-check.nix"
    "${modulesPath}/system/service/systemd/system.nix"
  ];
  meta.maintainers = [ "somebody" ];
  system.preSwitchChecks.maintenance = "test ! -e /run/maintenance";
  environment.etc."path".text = builtins.seq config.system.nixos.version "${config.system.path}";
}
