# What a host says that it is.
{
  config,
  lib,
  ...
}:
{
  options.system.nixos = {
    version = lib.mkOption {
      type = lib.types.str;
      internal = true;
      description = "The whole version.";
    };
    extraOSReleaseArgs = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      default = { };
      internal = true;
      description = "More lines of it.";
    };
  };
  config = {
    system.nixos.version = lib.mkDefault "of the tree";
    environment.etc."os-release".text = "VERSION=${config.system.nixos.version}";
  };
}
