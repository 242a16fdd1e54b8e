# The module library of a nixpkgs, where that is one that can be used.
{ nixpkgs }:
let
  folder = toString nixpkgs;
  lib = import (nixpkgs + "/lib");
  # The oldest release whose modules are supported.
  oldest = "24.05";
in
if !(builtins.pathExists (nixpkgs + "/lib/default.nix")) then
  throw "${folder} is no nixpkgs: it has no `lib/default.nix`\nhint: --nixpkgs takes the folder of a whole nixpkgs, such as a checkout of https://github.com/NixOS/nixpkgs"
else if builtins.compareVersions lib.trivial.release oldest < 0 then
  throw "the nixpkgs in ${folder} is ${lib.trivial.release}, which is older than ${oldest}, the oldest that is supported\nhint: take a newer one"
else
  lib
