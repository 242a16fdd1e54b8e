# What an option type is, and how types of two declarations are merged.
{ lib }:
let
  inherit (lib.modules) checkAndMerge;
in
rec {
  # Switches off the check for stray definitions where only declarations matter.
  noCheckForDocsModule = {
    _module.check = lib.mkForce false;
  };

  isType = type: x: (x._type or "") == type;
  setType = typeName: value: value // { _type = typeName; };
  isOptionType = isType "option-type";

  /*
    The part of a type that serves merging: types merge when the names agree. `payload` is what
    `type` makes the type from, and `binOp` merges two payloads (null: they don't go together).
  */
  defaultFunctor = name: {
    inherit name;
    type = lib.types.${name} or null;
    wrapped = null;
    payload = null;
    binOp = _a: _b: null;
  };

  defaultTypeMerge =
    f: f':
    let
      payload = f.binOp f.payload f'.payload;
      wrapped = f.wrapped.typeMerge f'.wrapped.functor;
      wraps = f.wrapped or null != null && f'.wrapped or null != null;
    in
    if f.name != f'.name then
      null
    else if f.payload or null != null && f'.payload or null != null then
      if payload == null then null else f.type payload
    else if wraps then
      if wrapped == null then null else f.type wrapped
    else if f.payload or null == null && f'.payload or null == null then
      f.type
    else
      null;

  /*
    Makes an option type.

    `check` decides whether one definition is of the type, `merge` makes the value out of all of them:
    a function of location and definitions, or a set with `v2`, which takes `{ loc; defs; }` and
    returns `{ headError; value; valueMeta; }`.
  */
  mkOptionType =
    {
      name,
      description ? null,
      descriptionClass ? null,
      check ? (_: true),
      merge ? lib.options.mergeDefaultOption,
      emptyValue ? { },
      getSubOptions ? _prefix: { },
      getSubModules ? null,
      substSubModules ? _modules: null,
      typeMerge ? defaultTypeMerge functor,
      functor ? defaultFunctor name,
      deprecationMessage ? null,
      nestedTypes ? { },
    }:
    {
      _type = "option-type";
      inherit
        name
        descriptionClass
        check
        merge
        emptyValue
        getSubOptions
        getSubModules
        substSubModules
        typeMerge
        functor
        deprecationMessage
        nestedTypes
        ;
      description = if description == null then name else description;
    };

  # A `check` that says that the type's `merge.v2` agrees with it.
  coherentCheck = check: {
    __functor = _self: check;
    isV2MergeCoherent = true;
  };

  # A `merge` of the new generation that can still be called with location and definitions.
  mergeV2 = v2: {
    __functor =
      _self: loc: defs:
      (v2 { inherit loc defs; }).value;
    inherit v2;
  };

  # A type's description, in parentheses unless its class of description stands by itself.
  optionDescriptionPhrase =
    fits: type:
    if fits (type.descriptionClass or null) then type.description else "(${type.description})";

  # Two types as one, as they are when two modules declare an option; a "merge-error" if they clash.
  mergeTypes =
    t1: t2:
    let
      merged = t1.typeMerge t2.functor;
    in
    if merged == null then
      setType "merge-error" { error = "Cannot merge the types ${t1.name} and ${t2.name}"; }
    else
      merged;

  # A type with a further condition on its values.
  addCheck =
    elemType: check:
    if elemType.merge ? v2 then
      elemType
      // {
        check = coherentCheck (x: elemType.check x && check x);
        merge = mergeV2 (
          { loc, defs }:
          let
            inner = checkAndMerge loc elemType defs;
          in
          inner
          // {
            headError =
              if inner.headError != null then inner.headError else lib.modules.checkDefsForError check loc defs;
          }
        );
      }
    else
      elemType // { check = x: elemType.check x && check x; };
}
