# Its work is done by ours, in the distribution's way.
{ lib, config, ... }:
{
  options.boot.kernel = {
    sysctl = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      default = { };
      description = "Parameters.";
    };
    sysctlFile = lib.mkOption {
      type = lib.types.str;
      default = "60-nixos.conf";
      description = "Where.";
    };
  };
  config.environment.etc."sysctl-of-nixos".text = toString (lib.attrNames config.boot.kernel.sysctl);
}
