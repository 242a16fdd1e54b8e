# Formats of files, of which one has a type of its own that modules read.
{ lib, pkgs }:
let
  atom =
    with lib.types;
    nullOr (oneOf [
      bool
      int
      str
    ]);
in
{
  formats = {
    json = _args: {
      type = lib.types.attrsOf lib.types.anything;
      generate = name: value: pkgs.writeText name (builtins.toJSON value);
    };
    ini = args: {
      type = lib.types.attrsOf (lib.types.attrsOf atom);
      lib.types.atom = atom;
      generate = name: value: pkgs.writeText name (lib.generators.toINI args value);
    };
  };
}
