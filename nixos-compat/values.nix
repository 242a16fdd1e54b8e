# Values that NixOS sets in modules that do more than that, and that others read.
{
  # The release of the nixpkgs at hand.
  release,
  # Whether a NixOS module, by its path below `nixos/modules`, is there to declare options.
  isListed,
}:
{ config, lib, ... }:
{
  config = lib.mkMerge [
    {
      # The age of a host's data is not known here: what is new starts as new.
      system.stateVersion = lib.mkOverride 1400 release;
      _module.args = {
        baseModules = [ ];
        extraModules = [ ];
        modules = [ ];
      };
    }
    (lib.optionalAttrs (isListed "misc/version.nix") {
      system.nixos.version = lib.mkDefault release;
    })
    (lib.optionalAttrs (isListed "config/system-path.nix") {
      system.path = config.system.build.sw;
    })
  ];
}
