# Types made of other types: lists, sets, unions, coercions, functions.
{ lib }:
let
  inherit (builtins)
    all
    any
    attrNames
    concatLists
    filter
    head
    isAttrs
    isList
    length
    mapAttrs
    removeAttrs
    typeOf
    unsafeGetAttrPos
    zipAttrsWith
    ;
  inherit (lib) isFunction;
  inherit (lib.lists) imap1;
  inherit (lib.modules) checkAndMerge checkDefsForError mergeDefinitions;
  inherit (lib.options)
    mergeEqualOption
    mergeOneOption
    showDefs
    showOption
    ;
  inherit (lib.types)
    coherentCheck
    defaultFunctor
    mergeV2
    mkOptionType
    optionDescriptionPhrase
    wrapping
    ;

  isComposite = class: class == "noun" || class == "composite";

  # The definitions of the attributes of a set: each with the file of the set and its own position.
  attributesOf =
    def:
    mapAttrs (name: value: {
      inherit (def) file;
      inherit value;
      pos = unsafeGetAttrPos name def.value;
    }) def.value;

  failed = headError: value: {
    inherit headError value;
    valueMeta = { };
  };
in
rec {
  # Lists; the definitions are joined.
  listOf =
    elemType:
    mkOptionType {
      name = "listOf";
      description = "list of ${optionDescriptionPhrase isComposite elemType}";
      descriptionClass = "composite";
      check = coherentCheck isList;
      merge = mergeV2 (
        { loc, defs }:
        let
          evaluate =
            n: def:
            imap1 (
              m: value:
              mergeDefinitions (loc ++ [ "[definition ${toString n}-entry ${toString m}]" ]) elemType [
                {
                  inherit (def) file;
                  inherit value;
                  pos = def.pos or null;
                }
              ]
            ) def.value;
          defined = filter (e: e.isDefined) (concatLists (imap1 evaluate defs));
        in
        {
          headError = checkDefsForError isList loc defs;
          value = map (e: e.mergedValue) defined;
          valueMeta.list = map (e: e.checkedAndMerged.valueMeta) defined;
        }
      );
      emptyValue.value = [ ];
      getSubOptions = prefix: elemType.getSubOptions (prefix ++ [ "*" ]);
      inherit (elemType) getSubModules;
      substSubModules = m: listOf (elemType.substSubModules m);
      functor = wrapping "listOf" listOf elemType;
      nestedTypes.elemType = elemType;
    };

  nonEmptyListOf =
    elemType:
    let
      list = lib.types.addCheck (listOf elemType) (l: l != [ ]);
    in
    list
    // {
      description = "non-empty ${optionDescriptionPhrase (class: class == "noun") list}";
      emptyValue = { };
      substSubModules = m: nonEmptyListOf (elemType.substSubModules m);
    };

  attrsOf = elemType: attrsWith { inherit elemType; };

  # Like `attrsOf`, but an attribute's existence does not depend on its conditions.
  lazyAttrsOf =
    elemType:
    attrsWith {
      inherit elemType;
      lazy = true;
    };

  loaOf =
    elemType:
    attrsOf elemType
    // {
      name = "loaOf";
      deprecationMessage = "It takes attribute sets only: `types.attrsOf` says so.";
    };

  attrsWith =
    {
      elemType,
      lazy ? false,
      placeholder ? "name",
    }:
    mkOptionType {
      name = if lazy then "lazyAttrsOf" else "attrsOf";
      description = "${if lazy then "lazy " else ""}attribute set of ${optionDescriptionPhrase isComposite elemType}";
      descriptionClass = "composite";
      check = coherentCheck isAttrs;
      merge = mergeV2 (
        { loc, defs }:
        let
          evaluated = zipAttrsWith (name: mergeDefinitions (loc ++ [ name ]) elemType) (
            map attributesOf defs
          );
          undefined = filter (name: !evaluated.${name}.isDefined) (attrNames evaluated);
          defined = if undefined == [ ] then evaluated else removeAttrs evaluated undefined;
          present = if lazy then evaluated else defined;
          lazyValue = e: if e.isDefined then e.mergedValue else elemType.emptyValue.value or e.mergedValue;
        in
        {
          headError = checkDefsForError isAttrs loc defs;
          value = mapAttrs (_: if lazy then lazyValue else e: e.mergedValue) present;
          valueMeta.attrs = mapAttrs (_: e: e.checkedAndMerged.valueMeta) present;
        }
      );
      emptyValue.value = { };
      getSubOptions = prefix: elemType.getSubOptions (prefix ++ [ "<${placeholder}>" ]);
      inherit (elemType) getSubModules;
      substSubModules =
        m:
        attrsWith {
          elemType = elemType.substSubModules m;
          inherit lazy placeholder;
        };
      functor = defaultFunctor "attrsWith" // {
        type = attrsWith;
        wrapped = elemType;
        payload = { inherit elemType lazy placeholder; };
        binOp =
          a: b:
          let
            inner = a.elemType.typeMerge b.elemType.functor;
            # The default placeholder yields to a chosen one; two chosen ones must agree.
            name =
              if a.placeholder == b.placeholder || b.placeholder == "name" then
                a.placeholder
              else if a.placeholder == "name" then
                b.placeholder
              else
                null;
          in
          if inner == null || name == null || a.lazy != b.lazy then
            null
          else
            {
              elemType = inner;
              inherit (a) lazy;
              placeholder = name;
            };
      };
      nestedTypes.elemType = elemType;
    };

  # A value of one of two types; the first that all definitions are of.
  either =
    t1: t2:
    let
      evaluate =
        { loc, defs }:
        let
          first = checkAndMerge loc t1 defs;
          second = checkAndMerge loc t2 defs;
        in
        if first.headError == null then
          first
        else if second.headError == null then
          second
        else
          let
            message = "It is neither a value of type `${t1.description}' nor `${t2.description}'. Definition values:${showDefs defs}";
          in
          # Who merges without checking first gets what a merge by looks gives, and hears of it.
          failed { inherit message; } (
            lib.warn "One or more definitions did not pass the type-check of the 'either' type of `${showOption loc}'. ${message}" (
              mergeOneOption loc defs
            )
          );
    in
    mkOptionType {
      name = "either";
      description =
        let
          first = optionDescriptionPhrase (
            class: class == "noun" || class == "conjunction" || class == "nonRestrictiveClause"
          ) t1;
          second = optionDescriptionPhrase (
            class: class == "noun" || class == "conjunction" || class == "composite"
          ) t2;
          comma = if t1.descriptionClass or null == "nonRestrictiveClause" then "," else "";
        in
        "${first}${comma} or ${second}";
      descriptionClass = "conjunction";
      check = coherentCheck (x: t1.check x || t2.check x);
      merge = mergeV2 evaluate;
      typeMerge =
        f':
        let
          m1 = t1.typeMerge (head f'.payload.elemType).functor;
          m2 = t2.typeMerge (lib.last f'.payload.elemType).functor;
        in
        if f'.name == "either" && m1 != null && m2 != null then either m1 m2 else null;
      functor = defaultFunctor "either" // {
        type = payload: either (head payload.elemType) (lib.last payload.elemType);
        wrapped = [
          t1
          t2
        ];
        payload.elemType = [
          t1
          t2
        ];
      };
      nestedTypes = {
        left = t1;
        right = t2;
      };
    };

  oneOf =
    types:
    if types == [ ] then
      throw "types.oneOf: the list of types is empty"
    else
      lib.foldl' either (head types) (lib.tail types);

  # Values of `finalType`, or of `coercedType` made into it by a function.
  coercedTo =
    coercedType: coerce: finalType:
    assert lib.assertMsg (coercedType.getSubModules == null)
      "types.coercedTo: values that are coerced can't be submodules, but are `${coercedType.description}'";
    mkOptionType {
      name = "coercedTo";
      description = "${optionDescriptionPhrase (class: class == "noun") finalType} or ${
        optionDescriptionPhrase (class: class == "noun") coercedType
      } convertible to it";
      check = coherentCheck (x: (coercedType.check x && finalType.check (coerce x)) || finalType.check x);
      merge = mergeV2 (
        { loc, defs }:
        let
          coerceDef =
            def:
            let
              coerced = checkAndMerge loc coercedType [ def ];
            in
            if coerced.headError == null then def // { value = coerce coerced.value; } else def;
          final = checkAndMerge loc finalType (map coerceDef defs);
        in
        final
        // lib.optionalAttrs (final.headError != null) {
          headError.message = "Definition values:${showDefs defs}";
        }
      );
      inherit (finalType) emptyValue getSubOptions getSubModules;
      substSubModules = m: coercedTo coercedType coerce (finalType.substSubModules m);
      typeMerge = _: null;
      functor = defaultFunctor "coercedTo" // {
        wrapped = finalType;
      };
      nestedTypes = {
        inherit coercedType finalType;
      };
    };

  # Functions whose results are of a type; several are called with the same argument and merged.
  functionTo =
    elemType:
    mkOptionType {
      name = "functionTo";
      description = "function that evaluates to a(n) ${optionDescriptionPhrase isComposite elemType}";
      descriptionClass = "composite";
      check = isFunction;
      merge = loc: defs: {
        __functor =
          _self: arg:
          (mergeDefinitions (loc ++ [ "<function body>" ]) elemType (
            map (def: def // { value = def.value arg; }) defs
          )).mergedValue;
        __functionArgs = lib.foldl' (acc: def: acc // lib.functionArgs def.value) { } defs;
      };
      getSubOptions = prefix: elemType.getSubOptions (prefix ++ [ "<function body>" ]);
      inherit (elemType) getSubModules;
      substSubModules = m: functionTo (elemType.substSubModules m);
      functor = wrapping "functionTo" functionTo elemType;
      nestedTypes.elemType = elemType;
    };

  # Any value; sets are merged name by name, functions by their results, the rest must be equal.
  anything = mkOptionType {
    name = "anything";
    description = "anything";
    descriptionClass = "noun";
    merge =
      loc: defs:
      let
        kind =
          value: if isAttrs value && lib.isStringLike value then "stringCoercibleSet" else typeOf value;
        common = kind (head defs).value;
      in
      if any (def: kind def.value != common) defs then
        throw "The option `${showOption loc}' has conflicting option types in ${lib.showFiles (lib.getFiles defs)}"
      else if common == "set" then
        (attrsOf anything).merge loc defs
      else if common == "lambda" then
        arg:
        anything.merge (loc ++ [ "<function body>" ]) (map (def: def // { value = def.value arg; }) defs)
      else
        mergeEqualOption loc defs;
  };

  # A set with exactly one attribute, whose name is the tag and which is of the tag's type.
  attrTag =
    tags:
    let
      checkTag =
        name: tag:
        if tag._type or null == "option" then
          tag
          // {
            declarations =
              tag.declarations
                or (lib.optional (unsafeGetAttrPos name tags != null) (unsafeGetAttrPos name tags).file);
            declarationPositions =
              tag.declarationPositions
                or (lib.optional (unsafeGetAttrPos name tags != null) (unsafeGetAttrPos name tags));
          }
        else if lib.types.isOptionType tag then
          throw "In attrTag, each tag value must be an option, but tag ${name} was a bare type, not wrapped in mkOption."
        else
          throw "In attrTag, each tag value must be an option, but tag ${name} was a value of type ${typeOf tag}.";
      options = mapAttrs checkTag tags;
      choices = lib.concatStringsSep ", " (attrNames options);
    in
    mkOptionType {
      name = "attrTag";
      description = "attribute-tagged union${if tags == { } then "" else " with choices: ${choices}"}";
      descriptionClass = "noun";
      check = coherentCheck (
        x: isAttrs x && length (attrNames x) == 1 && options ? ${head (attrNames x)}
      );
      merge = mergeV2 (
        { loc, defs }:
        let
          tag = head (attrNames (head defs).value);
          wellFormed = all (def: isAttrs def.value && length (attrNames def.value) == 1) defs;
          sameTag = all (def: def.value ? ${tag}) defs;
          option = lib.modules.evalOptionValue (loc ++ [ tag ]) (
            options.${tag}
            // {
              loc = loc ++ [ tag ];
              type = options.${tag}.type or lib.types.unspecified;
            }
          ) (map (def: (attributesOf def).${tag}) defs);
        in
        if !wellFormed then
          failed {
            message = "Each definition must have exactly one tag. Definition values:${showDefs defs}";
          } null
        else if !sameTag || !(options ? ${tag}) then
          failed {
            message = "The tags are ${
              lib.concatMapStringsSep ", " (def: "`${head (attrNames def.value)}'") defs
            }, which must be one of the choices. Definition values:${
              showDefs (map (def: def // { value = mapAttrs (_: _: "...") def.value; }) defs)
            }";
          } null
        else
          {
            headError = null;
            value.${tag} = option.value;
            valueMeta = { inherit option; };
          }
      );
      getSubOptions = prefix: mapAttrs (name: option: option // { loc = prefix ++ [ name ]; }) options;
      functor = defaultFunctor "attrTag" // {
        type = payload: attrTag payload.tags;
        payload.tags = options;
        binOp = a: b: {
          tags =
            a.tags
            // b.tags
            // mapAttrs (
              name: tag:
              let
                type = tag.type.typeMerge b.tags.${name}.type.functor;
              in
              tag
              // b.tags.${name}
              // {
                type =
                  if type == null then
                    throw "The tag `${name}' of two attrTag types has types that can't be merged."
                  else
                    type;
                declarations = tag.declarations ++ b.tags.${name}.declarations;
                declarationPositions = tag.declarationPositions ++ b.tags.${name}.declarationPositions;
              }
            ) (builtins.intersectAttrs b.tags a.tags);
        };
      };
      nestedTypes = mapAttrs (_: option: option.type) options;
    };
}
