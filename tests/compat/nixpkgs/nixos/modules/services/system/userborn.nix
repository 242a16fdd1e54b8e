# It would own the accounts that ours own: it must not get into force, however it is asked for.
{ config, lib, ... }:
{
  options.services.userborn.enable = lib.mkEnableOption "userborn";
  config = lib.mkIf config.services.userborn.enable {
    systemd.services.userborn = {
      wantedBy = [ "sysinit.target" ];
      serviceConfig.ExecStart = "/usr/bin/userborn";
    };
    environment.etc."userborn-was-here".text = "";
  };
}
