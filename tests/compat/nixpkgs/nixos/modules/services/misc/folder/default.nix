{ lib, ... }:
{
  imports = [
    ./part.nix
  ];
  options.services.folder.depth = lib.mkOption {
    type = lib.types.int;
    default = 1;
    description = "How deep.";
  };
}
