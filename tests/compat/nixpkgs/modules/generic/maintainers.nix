# As NixOS has it since 2025: outside of its own modules, for others to import as well.
{ lib, ... }:
{
  options.meta.maintainers = lib.mkOption {
    type = lib.types.listOf lib.types.unspecified;
    default = [ ];
    internal = true;
    description = "Who looks after a module.";
  };
}
