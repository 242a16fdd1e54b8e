# On by default: NixOS has no other client.
{ config, lib, ... }:
{
  options.networking.dhcpcd = {
    enable = lib.mkEnableOption "dhcpcd" // {
      default = true;
    };
    denyInterfaces = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      description = "Interfaces to leave alone.";
    };
  };
  config = lib.mkIf config.networking.dhcpcd.enable {
    systemd.services.dhcpcd = {
      wantedBy = [ "multi-user.target" ];
      serviceConfig.ExecStart = "/usr/sbin/dhcpcd";
    };
  };
}
