{ lib, config, ... }:
{
  options.networking = {
    hostName = lib.mkOption {
      type = lib.types.str;
      default = "machine";
      description = "The name of the machine.";
    };
    firewall.allowedTCPPorts = lib.mkOption {
      type = lib.types.listOf lib.types.port;
      default = [ ];
      apply = lib.unique;
      description = "Open ports.";
    };
  };
  options.networking.resolvers = lib.mkOption {
    type = lib.types.listOf lib.types.str;
    default = [ ];
    description = "Name servers.";
  };
  config.networking.resolvers = [ "192.0.2.53" ];
  # It must not get to a host that did not import this module.
  config.environment.etc."hostname".text = config.networking.hostName;
}
