# What the declarations of a NixOS module add to ours: all that we do not declare, and the options that its
# submodules have and ours lack.
#
# Which options there are follows from names alone. Types, defaults and submodules are looked at when the option
# itself is: those of NixOS depend on the values of other options, and on packages.
{ lib }:
let
  inherit (builtins) intersectAttrs isAttrs mapAttrs;

  isOption = o: isAttrs o && o._type or "" == "option";

  containers = [
    "attrsOf"
    "lazyAttrsOf"
    "listOf"
  ];
  elementOf = type: type.nestedTypes.elemType or type.functor.wrapped;

  # Whether one of our types holds submodules, directly or in a container.
  holdsSubmodules =
    type:
    type.name == "submodule" || builtins.elem type.name containers && holdsSubmodules (elementOf type);

  # A type that holds these submodules the way that the given type does.
  typeLike =
    type: modules:
    if type.name == "submodule" then
      lib.types.submodule modules
    else
      lib.types.${type.name} (typeLike (elementOf type) modules);

  # A module of NixOS's submodule, without what ours declares. What it defines counts as far as the module does that
  # brings it: what hardens a service must not be lost, and what nobody imported must not act.
  reduced =
    { ours, definitionsCount }@context:
    module:
    let
      isFile = builtins.isPath module || builtins.isString module;
      value = if isFile then import module else module;
      reduce =
        m:
        if m ? _type then
          lib.optionalAttrs definitionsCount { config = m; }
        else
          (if definitionsCount then m else intersectAttrs { _file = null; } m)
          // lib.optionalAttrs (m ? options) {
            options = of (context // { theirs = m.options; });
          }
          // lib.optionalAttrs (m ? imports) { imports = map (reduced context) m.imports; };
    in
    if lib.isFunction value then
      lib.setFunctionArgs (args: reduce (value args)) (lib.functionArgs value)
    else
      reduce value;

  addition =
    {
      ours,
      theirs,
      definitionsCount,
    }:
    let
      modules = theirs.type.getSubModules or null;
      context = {
        ours = removeAttrs (ours.type.getSubOptions [ ]) [ "_module" ];
        inherit definitionsCount;
      };
    in
    {
      _type = "option";
      type = typeLike ours.type (if modules == null then [ ] else map (reduced context) modules);
    };

  # Untouched parts stay the same values, so that their positions are kept.
  of =
    {
      ours,
      theirs,
      definitionsCount,
    }:
    let
      shared = intersectAttrs ours theirs;
      one =
        name: theirs:
        let
          pair = {
            ours = ours.${name};
            inherit theirs definitionsCount;
          };
        in
        if isOption pair.ours then
          if isOption theirs && holdsSubmodules pair.ours.type then addition pair else null
        else if isOption theirs then
          null
        else
          of pair;
      left = lib.filterAttrs (_name: o: o != null) (mapAttrs one shared);
    in
    if shared == { } then theirs else removeAttrs theirs (builtins.attrNames shared) // left;
in
{
  inherit of;
}
