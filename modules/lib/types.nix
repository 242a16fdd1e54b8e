# All option types, from their files.
{ lib }:
let
  parts = [
    (import ./types-base.nix { inherit lib; })
    (import ./types-scalar.nix { inherit lib; })
    (import ./types-container.nix { inherit lib; })
    (import ./types-module.nix { inherit lib; })
    (import ./types-attrlist.nix { inherit lib; })
    (import ./types-serializable.nix { inherit lib; })
  ];
in
builtins.foldl' (all: part: all // part) { } parts
