# The packages of the host, joined.
{
  config,
  lib,
  pkgs,
  ...
}:
{
  options.environment.systemPackages = lib.mkOption {
    type = lib.types.listOf lib.types.package;
    default = [ ];
    description = "The packages.";
  };
  options.system.path = lib.mkOption {
    type = lib.types.package;
    internal = true;
    description = "Where they are.";
  };
  config.system.path = pkgs.buildEnv {
    name = "system-path";
    paths = config.environment.systemPackages;
  };
}
