{ lib, ... }:
{
  options.lib = lib.mkOption {
    type = lib.types.attrsOf lib.types.attrs;
    default = { };
    description = "Functions of modules for each other.";
  };
}
