# A configuration for here and for NixOS: modules of NixOS, own units, and options that only we have.
{ modulesPath, pkgs, ... }:
let
  storage = pkgs.hostPackage {
    name = "storage";
    bin = [ "/usr/bin/storage" ];
  };
in
{
  imports = [
    "${modulesPath}/services/database/storage.nix"
    # NixOS knows it by another name.
    "${modulesPath}/services/misc/folder"
  ];

  services.storage = {
    enable = true;
    ensure = [ "app" ];
  };
  services.folder.enable = true;

  systemd.services.report = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig.ExecStart = "${storage}/bin/storage report";
  };
  systemd.maskedUnits = [ "apt-daily.timer" ];
  environment.etc."report.conf" = {
    text = "all\n";
    replaceExisting = true;
  };

  users.users.reporter = {
    isSystemUser = true;
    group = "reporter";
  };
  users.groups.reporter = { };

  nixos-compat.distribution = "debian-12";
  system-manager.allowAnyDistro = true;
}
