# Properties of definitions (conditions, priorities, order) and what becomes of them when
# definitions of one option are merged.
{ lib }:
let
  inherit (builtins)
    addErrorContext
    all
    any
    concatMap
    filter
    foldl'
    head
    isAttrs
    sort
    tail
    ;
  inherit (lib.options) showDefs showOption;

  mkProperty = type: argument: value: content: {
    _type = type;
    ${argument} = value;
    inherit content;
  };

  defaultPriority = 100;
  defaultOrder = 1000;

  priorityOf =
    def: if def.value._type or "" == "override" then def.value.priority else defaultPriority;
  orderOf = def: if def.value._type or "" == "order" then def.value.priority else defaultOrder;
  withoutOverride =
    def: if def.value._type or "" == "override" then def // { value = def.value.content; } else def;

  # The plain definitions that one definition stands for, each with its file and position.
  expand =
    def:
    let
      type = def.value._type or "";
    in
    if type == "merge" || type == "if" then
      addErrorContext "while evaluating definitions from `${def.file}':" (
        map (value: asDefinition def value) (dischargeProperties def.value)
      )
    else
      [ (asDefinition def def.value) ];

  asDefinition =
    def: value:
    if value._type or "" == "definition" then
      removeAttrs value [ "_type" ]
    else if def ? pos then
      {
        inherit (def) file pos;
        inherit value;
      }
    else
      {
        inherit (def) file;
        inherit value;
      };

  # Resolves `mkMerge` and `mkIf` to the list of values that apply.
  dischargeProperties =
    value:
    let
      type = value._type or "";
    in
    if type == "merge" then
      concatMap dischargeProperties value.contents
    else if type == "if" then
      if value.condition == true then
        dischargeProperties value.content
      else if value.condition == false then
        [ ]
      else
        throw "mkIf: the condition is neither true nor false"
    else
      [ value ];

  # Keeps the definitions of the strongest (numerically lowest) priority.
  filterOverrides' =
    defs:
    let
      highestPrio = foldl' (prio: def: lib.min prio (priorityOf def)) 9999 defs;
      single = tail defs == [ ];
    in
    if defs == [ ] then
      {
        values = [ ];
        highestPrio = 9999;
      }
    else if single then
      {
        values = [ (withoutOverride (head defs)) ];
        highestPrio = priorityOf (head defs);
      }
    else
      {
        values = map withoutOverride (filter (def: priorityOf def == highestPrio) defs);
        inherit highestPrio;
      };

  # Sorts by `mkOrder`, stably.
  sortProperties =
    defs:
    let
      strip =
        def: if def.value._type or "" == "order" then def // { value = def.value.content; } else def;
    in
    map strip (sort (a: b: orderOf a < orderOf b) defs);

  /*
    Merges the definitions `{ file; value; pos?; }` of the option at `loc` by its type. Lazy: asking
    whether the option is defined does not evaluate its value.
  */
  mergeDefinitions =
    loc: type: defs:
    let
      filtered = filterOverrides' (concatMap expand defs);
      defsFinal =
        if any (def: def.value._type or "" == "order") filtered.values then
          sortProperties filtered.values
        else
          filtered.values;
      isDefined = defsFinal != [ ];
      checkedAndMerged = checkAndMerge loc type defsFinal;
      mergedValue =
        if !isDefined then
          if type.emptyValue ? value then
            emptyOf loc type
          else
            throw "The option `${showOption loc}' was accessed but has no value defined. Try setting the option."
        else if checkedAndMerged.headError != null then
          throw "A definition for option `${showOption loc}' is not of type `${type.description}'. ${checkedAndMerged.headError.message}"
        else
          checkedAndMerged.value;
    in
    {
      inherit
        defsFinal
        isDefined
        mergedValue
        checkedAndMerged
        ;
      defsFinal' = {
        values = defsFinal;
        inherit (filtered) highestPrio;
      };
      inherit (filtered) highestPrio;
      optionalValue = if isDefined then { value = mergedValue; } else { };
    };

  # What an option without definitions is worth, for types that have an empty value.
  emptyOf =
    loc: type:
    if type.merge ? v2 then
      (type.merge.v2 {
        inherit loc;
        defs = [ ];
      }).value
    else
      type.emptyValue.value;

  /*
    Checks and merges plain definitions by a type of either generation: an old one has `check` and a
    function `merge`, a new one has `merge.v2`, which reports trouble as data (`headError`).
  */
  checkAndMerge =
    loc: type: defs:
    if type.merge ? v2 then
      if type.check ? isV2MergeCoherent then
        type.merge.v2 { inherit loc defs; }
      else
        throw ''
          The option `${showOption loc}' has a type `${type.description}' whose `check' was replaced by an ad-hoc override (`type // { check = …; }'), which is incompatible with the type's own merge function.
          Please use `lib.types.addCheck' instead of replacing `check'.''
    else
      {
        headError = checkDefsForError type.check loc defs;
        value = type.merge loc defs;
        valueMeta = { };
      };

  # Null, or `{ message; }` that shows the definitions which a check refuses.
  checkDefsForError =
    check: _loc: defs:
    if all (def: check def.value) defs then
      null
    else
      { message = "Definition values:${showDefs (filter (def: !(check def.value)) defs)}"; };

  /*
    Pushes properties on a set of definitions down to its attributes. Returns
    `{ file; attrs; wrap; }` with the set as written (its attributes keep their positions) and the
    function that puts the properties back around a value, or null for none.
  */
  splitDefinition =
    loc: file: value:
    let
      type = value._type or "";
      below = splitDefinition loc file value.content;
      around =
        property:
        map (part: part // { wrap = v: property (if part.wrap == null then v else part.wrap v); }) below;
    in
    if type == "merge" then
      concatMap (splitDefinition loc file) value.contents
    else if type == "if" then
      around (mkIf value.condition)
    else if type == "override" then
      around (mkOverride value.priority)
    else if type == "order" then
      around (mkOrder value.priority)
    else if type == "definition" then
      splitDefinition loc value.file value.value
    else if isAttrs value then
      [
        {
          inherit file;
          attrs = value;
          wrap = null;
        }
      ]
    else
      throw ''
        In module `${file}', you're trying to define a value of type `${builtins.typeOf value}'
        rather than an attribute set for the option
        `${showOption loc}'!

        `${showOption loc}' only groups other options: set one of these, or give their values as an attribute set.'';

  mkIf = mkProperty "if" "condition";
  mkOverride = mkProperty "override" "priority";
  mkOrder = mkProperty "order" "priority";
in
{
  inherit
    checkAndMerge
    checkDefsForError
    dischargeProperties
    filterOverrides'
    mergeDefinitions
    mkIf
    mkOrder
    mkOverride
    sortProperties
    splitDefinition
    ;

  filterOverrides = defs: (filterOverrides' defs).values;

  # The sets that a set with properties stands for, with the properties on their attributes.
  pushDownProperties =
    cfg:
    map (part: if part.wrap == null then part.attrs else builtins.mapAttrs (_: part.wrap) part.attrs) (
      splitDefinition [ ] "<unknown-file>" cfg
    );

  mkAssert =
    assertion: message: content:
    mkIf (if assertion then true else throw "\nFailed assertion: ${message}") content;

  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };

  # A definition that carries its own file name.
  mkDefinition = args: args // { _type = "definition"; };

  # Applies a function to the values inside properties.
  mapDefinitionValue =
    let
      go =
        f: value:
        let
          type = value._type or "";
        in
        if type == "merge" then
          value // { contents = map (go f) value.contents; }
        else if type == "if" || type == "override" || type == "order" then
          value // { content = go f value.content; }
        else if type == "definition" then
          value // { value = go f value.value; }
        else
          f value;
    in
    go;

  mkFixStrictness = lib.warn "lib.mkFixStrictness has no effect and will be removed." (x: x);

  # Priorities: the lower number wins. The numbers are part of the interface.
  mkOptionDefault = mkOverride 1500;
  mkDefault = mkOverride 1000;
  defaultOverridePriority = defaultPriority;
  defaultPriority = lib.warn "lib.modules.defaultPriority is now lib.modules.defaultOverridePriority" defaultPriority;
  mkImageMediaOverride = mkOverride 60;
  mkForce = mkOverride 50;
  mkStrict = lib.warn "lib.mkStrict is now lib.mkForce" (mkOverride 50);
  mkVMOverride = mkOverride 10;

  # Order of merged lists and strings: the lower number comes first.
  mkBefore = mkOrder 500;
  mkAfter = mkOrder 1500;
  defaultOrderPriority = defaultOrder;
}
