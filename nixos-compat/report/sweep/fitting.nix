# Leaves out of a case what a nixpkgs has no option for, since releases ask for different things.
{
  lib,
  # The options of the nixpkgs at hand.
  options,
}:
let
  prune =
    tree: value:
    if lib.isOption tree || !(builtins.isAttrs value) then
      value
    else
      builtins.mapAttrs (name: prune tree.${name}) (builtins.intersectAttrs tree value);

  fit =
    case:
    if lib.isFunction case then
      lib.setFunctionArgs (args: fit (case args)) (lib.functionArgs case)
    else
      lib.optionalAttrs (case ? imports) { imports = map fit case.imports; }
      // prune options (removeAttrs case [ "imports" ]);
in
fit
