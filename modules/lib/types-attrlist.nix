# Lists of named values: sets with one attribute each, in an order that every definition can choose.
{ lib }:
let
  inherit (builtins)
    attrNames
    concatMap
    filter
    foldl'
    groupBy
    head
    isAttrs
    isList
    length
    map
    sort
    typeOf
    ;
  inherit (lib.modules)
    checkDefsForError
    defaultOrderPriority
    defaultOverridePriority
    dischargeProperties
    mergeDefinitions
    mkDefinition
    mkOrder
    ;
  inherit (lib.types)
    coherentCheck
    mergeV2
    mkOptionType
    optionDescriptionPhrase
    ;

  # Takes order and priority off a value, however they are nested. What is inside a priority is not
  # looked at before it is wanted: a definition that loses is never evaluated.
  peel =
    order: value:
    let
      type = value._type or "";
    in
    if type == "order" then
      peel value.priority value.content
    else if type == "override" then
      {
        inherit (value) priority;
        inherit (peel order value.content) order value;
      }
    else
      {
        priority = defaultOverridePriority;
        inherit order value;
      };

  # The entries `{ name; value; order; priority; file; }` of one definition.
  entriesOf =
    def:
    let
      fromSet =
        order: set:
        map (
          name:
          peel order set.${name}
          // {
            inherit name;
            inherit (def) file;
          }
        ) (attrNames set);
      fromElement =
        element:
        concatMap (
          e:
          let
            peeled = peel defaultOrderPriority e;
          in
          fromSet peeled.order peeled.value
        ) (dischargeProperties element);
    in
    if isList def.value then
      concatMap fromElement def.value
    else
      fromSet defaultOrderPriority def.value;

  # What is wrong with an element of a list, or null.
  elementError =
    element:
    let
      inner = (peel defaultOrderPriority element).value;
      type = inner._type or "";
    in
    if type == "if" || type == "merge" then
      null
    else if !(isAttrs inner) then
      "Each list element must be an attribute set, but got ${typeOf inner}"
    else if length (attrNames inner) != 1 then
      "Each list element must be a single-key attribute set, but got ${toString (length (attrNames inner))} keys"
    else
      null;

  errorIn =
    loc: defs:
    let
      shape = checkDefsForError (x: isList x || isAttrs x) loc defs;
      bad = concatMap (
        def: if isList def.value then filter (e: e != null) (map elementError def.value) else [ ]
      ) defs;
      files = lib.showFiles (map (def: def.file) defs);
    in
    if shape != null then
      { message = "TypeError: ${shape.message}"; }
    else if bad != [ ] then
      { message = "${head bad}, in ${files}."; }
    else
      null;

  # Per name, the entries of the strongest priority; all of them in order.
  strongest =
    entries:
    let
      best = builtins.mapAttrs (_: foldl' (prio: e: lib.min prio e.priority) 9999) (
        groupBy (e: e.name) entries
      );
    in
    sort (a: b: a.order < b.order) (filter (e: e.priority == best.${e.name}) entries);
in
rec {
  attrListOf = elemType: attrListWith { inherit elemType; };

  /*
    With `asAttrs` the value is a set, whose attributes `mergeAttrValues` makes out of a name and the
    values with that name; the list is in `valueMeta.attrListValue` then.
  */
  attrListWith =
    {
      elemType,
      asAttrs ? false,
      mergeAttrValues ? _name: values: values,
    }:
    mkOptionType {
      name = "attrListOf";
      description = "attribute list of ${
        optionDescriptionPhrase (class: class == "noun" || class == "composite") elemType
      }";
      descriptionClass = "composite";
      check = coherentCheck (x: isList x || isAttrs x);
      merge = mergeV2 (
        { loc, defs }:
        let
          merged = map (
            entry:
            entry
            // {
              result = mergeDefinitions (loc ++ [ entry.name ]) elemType [ { inherit (entry) file value; } ];
            }
          ) (strongest (concatMap entriesOf defs));
          present = filter (entry: entry.result.isDefined) merged;
          asList = map (entry: { ${entry.name} = entry.result.mergedValue; }) present;
          asSet = builtins.mapAttrs (
            name: entries: mergeAttrValues name (map (entry: entry.result.mergedValue) entries)
          ) (groupBy (entry: entry.name) present);
        in
        {
          headError = errorIn loc defs;
          value = if asAttrs then asSet else asList;
          valueMeta = {
            attrList = map (entry: entry.result.checkedAndMerged.valueMeta) present;
            attrListValue = asList;
            definitions = map (
              entry:
              mkDefinition {
                inherit (entry) file;
                value = mkOrder entry.order { ${entry.name} = entry.result.mergedValue; };
              }
            ) present;
          };
        }
      );
      emptyValue.value = if asAttrs then { } else [ ];
      getSubOptions = prefix: elemType.getSubOptions (prefix ++ [ "<name>" ]);
      typeMerge = _: null;
      nestedTypes.elemType = elemType;
    };
}
