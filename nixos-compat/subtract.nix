# Takes the options that we declare ourselves out of the declarations of a NixOS module.
#
# An option that both declare, and that holds submodules, keeps those options of NixOS's submodule that ours
# lacks: modules set and read them.
{ lib }:
let
  inherit (builtins) intersectAttrs isAttrs mapAttrs;

  isOption = o: isAttrs o && o._type or "" == "option";

  containers = [
    "attrsOf"
    "lazyAttrsOf"
    "listOf"
  ];

  # A type that holds these submodules the way the given type does; null when it can't be told.
  typeLike =
    type: modules:
    if type.name == "submodule" then
      lib.types.submodule modules
    else if builtins.elem type.name containers then
      let
        inner = typeLike (type.nestedTypes.elemType or type.functor.wrapped) modules;
      in
      if inner == null then null else lib.types.${type.name} inner
    else
      null;

  # Drops the definitions of a submodule's module.
  declarationsOnly =
    ours: module:
    let
      value = if builtins.isPath module || builtins.isString module then import module else module;
      strip =
        m:
        lib.optionalAttrs (m ? _file) { inherit (m) _file; }
        // {
          options = subtract ours (m.options or { });
          imports = map (declarationsOnly ours) (m.imports or [ ]);
        };
    in
    if lib.isFunction value then
      lib.setFunctionArgs (args: strip (value args)) (lib.functionArgs value)
    else
      strip value;

  # What a declaration of NixOS adds to one of ours: a declaration, or null.
  addition =
    ours: theirs:
    let
      modules = theirs.type.getSubModules or null;
      type = typeLike ours.type (
        map (declarationsOnly (removeAttrs (ours.type.getSubOptions [ ]) [ "_module" ])) modules
      );
    in
    if theirs ? type && ours ? type && modules != null && type != null then
      {
        _type = "option";
        inherit type;
      }
    else
      null;

  one =
    ours: theirs:
    if isOption ours then
      (if isOption theirs then addition ours theirs else null)
    else if isOption theirs then
      null
    else
      subtract ours theirs;

  # Untouched parts stay the same values, so that their positions are kept.
  subtract =
    ours: theirs:
    let
      shared = intersectAttrs ours theirs;
      left = lib.filterAttrs (_name: o: o != null) (mapAttrs (name: one ours.${name}) shared);
    in
    if shared == { } then theirs else removeAttrs theirs (builtins.attrNames shared) // left;
in
subtract
