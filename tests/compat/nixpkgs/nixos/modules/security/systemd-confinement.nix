# What it adds to services is written by their own submodules, as NixOS's hardening is.
{ lib, utils, ... }:
{
  options.systemd.services = lib.mkOption {
    type = lib.types.attrsOf (
      lib.types.submodule (
        { config, ... }:
        {
          options.confinement.enable = lib.mkEnableOption "a root of its own";
          options.confinement.folder = lib.mkOption {
            type = utils.types.folder;
            default = "/run/confined";
            description = "Where the root is.";
          };
          config = lib.mkIf config.confinement.enable {
            serviceConfig.RootDirectory = config.confinement.folder;
          };
        }
      )
    );
  };
}
