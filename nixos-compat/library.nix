# The module library for a nixpkgs: its own `lib`, or ours where that one is too old for our modules.
#
# What an old `lib` has beyond ours stays available, since the modules of that nixpkgs use it.
{ nixpkgs }:
let
  theirs = import (nixpkgs + "/lib");
  ours = import ../modules/lib;

  # Young names that our modules use. Asking for them says more than a version number does.
  needed = {
    lib = [
      "isStringLike"
      "literalExpression"
      "literalMD"
      "mkPackageOption"
      "toList"
    ];
    types = [
      "lazyAttrsOf"
      "raw"
      "singleLineStr"
      "submoduleWith"
    ];
  };
  has = names: set: builtins.all (n: set ? ${n}) names;

  # Parts that are sets of functions; the functions themselves stay ours.
  older = removeAttrs theirs [
    "extend"
    "types"
    "modules"
    "options"
  ];
  joined = ours.extend (
    _final: prev:
    builtins.mapAttrs (
      name: value:
      if !(prev ? ${name}) then
        value
      else if builtins.isAttrs value && builtins.isAttrs prev.${name} && !(prev.${name} ? __functor) then
        value // prev.${name}
      else
        prev.${name}
    ) older
    // {
      types = theirs.types // prev.types;
      inherit (theirs) licenses maintainers;
      # What it sets in a submodule, that submodule declares.
      inherit (theirs) mkRemovedOptionModule;
      # Which nixpkgs it is stays visible.
      trivial = prev.trivial // {
        inherit (theirs.trivial) release version;
      };
      version = theirs.version or theirs.trivial.version;
    }
  );
in
if has needed.lib theirs && has needed.types theirs.types then theirs else joined
