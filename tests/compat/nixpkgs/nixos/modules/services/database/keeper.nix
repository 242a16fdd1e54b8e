# Servers by name, of which the one without a name was once the only one.
{
  config,
  lib,
  ...
}:
{
  imports = [
    (lib.mkRenamedOptionModule
      [
        "services"
        "keeper"
        "enable"
      ]
      [
        "services"
        "keeper"
        "servers"
        ""
        "enable"
      ]
    )
  ];
  options.services.keeper.servers = lib.mkOption {
    type = lib.types.attrsOf (
      lib.types.submodule (
        { name, ... }:
        {
          options.enable = lib.mkEnableOption "this server";
          options.socket = lib.mkOption {
            type = lib.types.str;
            default = "/run/keeper-${name}/socket";
            description = "Where it listens.";
          };
        }
      )
    );
    default = { };
    description = "The servers.";
  };
  config.systemd.services = lib.mapAttrs' (
    name: server:
    lib.nameValuePair "keeper-${name}" {
      wantedBy = [ "multi-user.target" ];
      serviceConfig.ExecStart = "/usr/bin/keeper ${server.socket}";
    }
  ) (lib.filterAttrs (_name: server: server.enable) config.services.keeper.servers);
}
