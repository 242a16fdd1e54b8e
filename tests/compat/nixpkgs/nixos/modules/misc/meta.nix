{ lib, ... }:
{
  imports = [ ../../../modules/generic/maintainers.nix ];
  options.meta.doc = lib.mkOption {
    type = lib.types.path;
    internal = true;
    description = "The chapter of the manual.";
  };
  config.meta.maintainers = [ ];
}
