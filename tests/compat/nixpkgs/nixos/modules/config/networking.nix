{ lib, config, ... }:
let
  inherit (config.networking) proxy;
  proxyOption =
    default:
    lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      inherit default;
      description = "The address of a proxy, or what needs none.";
    };
in
{
  options.networking.proxy = {
    default = proxyOption null;
    httpProxy = proxyOption proxy.default;
    httpsProxy = proxyOption proxy.default;
    rsyncProxy = proxyOption proxy.default;
    ftpProxy = proxyOption proxy.default;
    allProxy = proxyOption proxy.default;
    noProxy = proxyOption null;
    envVars = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      internal = true;
      default = { };
      description = "The same as variables, which this module makes of it.";
    };
  };

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
