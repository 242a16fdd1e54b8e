{ lib, ... }:
{
  options.meta.maintainers = lib.mkOption {
    type = lib.types.listOf lib.types.unspecified;
    default = [ ];
    internal = true;
    description = "Who looks after a module.";
  };
}
