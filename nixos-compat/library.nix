# The module library of a nixpkgs, where that is one that can be used.
{ nixpkgs }:
let
  folder = builtins.unsafeDiscardStringContext (toString nixpkgs);
  lib = import (nixpkgs + "/lib");
  # The oldest release whose modules are supported.
  oldest = "24.05";
  hint = "hint: give the folder of a whole nixpkgs, such as a checkout of https://github.com/NixOS/nixpkgs";
in
if !(builtins.pathExists (nixpkgs + "/lib/default.nix")) then
  throw "`${folder}` is no nixpkgs: it has no `lib/default.nix`\n${hint}"
else if builtins.compareVersions lib.trivial.release oldest < 0 then
  throw "the nixpkgs in `${folder}` is of release ${lib.trivial.release}, and ${oldest} is the oldest that is supported\nhint: take a newer one"
else if
  # A library alone has none of this, and a whole nixpkgs has all.
  builtins.pathExists (nixpkgs + "/nixos")
  && !(builtins.pathExists (nixpkgs + "/nixos/modules/module-list.nix"))
then
  throw "the nixpkgs in `${folder}` is incomplete: it has no `nixos/modules/module-list.nix`\n${hint}"
else
  lib
