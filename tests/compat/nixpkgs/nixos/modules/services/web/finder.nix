# Keeps what it finds in a server of its own.
{
  config,
  lib,
  ...
}:
{
  options.services.finder.enable = lib.mkEnableOption "the finder";
  config = lib.mkIf config.services.finder.enable {
    services.keeper.servers.finder.enable = true;
    systemd.services.finder = {
      wantedBy = [ "multi-user.target" ];
      serviceConfig.ExecStart = "/usr/bin/finder ${config.services.keeper.servers.finder.socket}";
    };
  };
}
