# A module of NixOS has an opinion about the zone, the host about its name; both names can be read.
{
  modulesPath,
  config,
  lib,
  ...
}:
{
  imports = [ "${modulesPath}/misc/zone.nix" ];
  networking.hostName = lib.mkDefault "web-1";
  environment.etc."seen".text =
    "${config.networking.hostName} ${config.time.timeZone} ${config.i18n.defaultLocale}\n";
}
