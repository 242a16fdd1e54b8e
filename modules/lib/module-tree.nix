# Merges the option declarations of all modules into one tree and hands each option its definitions.
{ lib }:
let
  inherit (builtins)
    addErrorContext
    all
    any
    attrNames
    attrValues
    concatLists
    concatMap
    filter
    foldl'
    head
    isAttrs
    length
    mapAttrs
    removeAttrs
    tail
    unsafeGetAttrPos
    zipAttrsWith
    ;
  inherit (lib.options) showDefs showFiles showOption;
  inherit (lib.modules) mergeDefinitions setDefaultModuleLocation splitDefinition;

  joinLists = _: concatLists;
  isOption = x: x._type or "" == "option";

  # The declarations of one module at one level, by name.
  declarationsIn =
    prefix: decl:
    if isAttrs decl.options then
      mapAttrs (name: options: [
        {
          inherit (decl) file;
          inherit options;
          pos = unsafeGetAttrPos name decl.options;
        }
      ]) decl.options
    else
      throw "In module `${decl.file}': the options below `${showOption prefix}' must be an attribute set of option declarations, but are a value of type ${builtins.typeOf decl.options}.";

  # The definitions of one module at one level, by name, with the position of each.
  definitionsIn =
    part:
    mapAttrs (
      name:
      if part.wrap == null then
        value: [
          {
            inherit (part) file;
            inherit value;
            pos = unsafeGetAttrPos name part.attrs;
          }
        ]
      else
        value: [
          {
            inherit (part) file;
            value = part.wrap value;
            pos = unsafeGetAttrPos name part.attrs;
          }
        ]
    ) part.attrs;

  checkDeclaration =
    loc: decl:
    if decl.options ? _type && !(isOption decl.options) then
      throw "In module ${decl.file}: expected an option declaration at option path `${showOption loc}` but got an attribute set with type ${decl.options._type}"
    else
      decl;

  supportsNesting =
    decl:
    (decl.options.type or { }).getSubModules or null != null && decl.options.type.name == "submodule";

  # Options declared right below a submodule option belong into the submodule.
  nestInSubmodule =
    decl:
    if isOption decl.options then
      decl
    else
      decl
      // {
        options = lib.mkOption {
          type = lib.types.submoduleWith { modules = [ { inherit (decl) options; } ]; };
        };
      };

  throwCollision =
    loc: decls:
    let
      parent = head (filter (decl: isOption decl.options) decls);
      shown =
        prefix: decl:
        if isOption decl.options then
          [ "- option(s) with prefix `${showOption prefix}' in module `${decl.file}'" ]
        else
          concatMap (name: shown (prefix ++ [ name ]) (decl // { options = decl.options.${name}; })) (
            attrNames decl.options
          );
    in
    throw "The option `${showOption loc}' in module `${parent.file}' would be a parent of the following options, but its type `${
      parent.options.type.description or "<no description>"
    }' does not support nested options.\n${
      lib.concatStringsSep "\n" (concatMap (shown loc) (filter (decl: !(isOption decl.options)) decls))
    }";

  # Submodules that a declaration brings carry the file of that declaration.
  locateType =
    file: type:
    if type.getSubModules or null == null then
      type
    else
      type.substSubModules (map (setDefaultModuleLocation file) type.getSubModules);

  positionOf =
    decl:
    if decl.pos == null || decl.pos.file != decl.file then
      {
        inherit (decl) file;
        line = null;
        column = null;
      }
    else
      decl.pos;

  fromDeclaration =
    loc: decl:
    decl.options
    // {
      inherit loc;
      type = locateType decl.file (decl.options.type or lib.types.unspecified);
      declarations = [ decl.file ];
      declarationPositions = [ (positionOf decl) ];
    };

  onceOnly = [
    "default"
    "example"
    "description"
    "apply"
  ];

  # Modules of a later type come first, as later modules do in every evaluation.
  joinTypes =
    old: new:
    let
      merged = old.typeMerge new.functor;
      modules = type: if type.getSubModules or null == null then [ ] else type.getSubModules;
    in
    if merged == null || merged.getSubModules or null == null then
      merged
    else
      merged.substSubModules (modules new ++ modules old);

  # What a merged declaration may not be made of twice, and a type that is given only once.
  joinDeclarations =
    loc: acc: decl:
    let
      new = fromDeclaration loc decl;
      bothTyped = acc.typed && decl.options ? type;
      mergedType =
        if bothTyped then
          joinTypes acc.option.type new.type
        else if acc.typed then
          acc.option.type
        else
          new.type;
      clash = any (name: acc.option ? ${name} && decl.options ? ${name}) onceOnly;
    in
    if clash || mergedType == null then
      throw "The option `${showOption loc}' in `${decl.file}' is already declared in ${showFiles acc.option.declarations}."
    else
      {
        typed = acc.typed || decl.options ? type;
        option =
          acc.option
          // new
          // {
            type = mergedType;
            declarations = acc.option.declarations ++ new.declarations;
            declarationPositions = acc.option.declarationPositions ++ new.declarationPositions;
          };
      };

  # Merges the declarations of one option.
  mergeOptionDecls =
    loc: decls:
    let
      first = {
        typed = (head decls).options ? type;
        option = fromDeclaration loc (head decls);
      };
    in
    (foldl' (joinDeclarations loc) first (tail decls)).option;

  # Gives a merged declaration its value and what is known about it.
  evalOptionValue =
    loc: opt: defs:
    let
      withDefault =
        if opt ? default then
          [
            {
              file = head opt.declarations;
              value = lib.mkOptionDefault opt.default;
            }
          ]
          ++ defs
        else
          defs;
      merged =
        if opt.readOnly or false && length withDefault > 1 then
          throw "The option `${showOption loc}' is read-only, yet it has more than one definition. Definition values:${
            showDefs (
              map (def: def // { value = (mergeDefinitions loc opt.type [ def ]).mergedValue; }) withDefault
            )
          }"
        else
          mergeDefinitions loc opt.type withDefault;
      value = if opt ? apply then opt.apply merged.mergedValue else merged.mergedValue;
      warnDeprecated =
        if opt.type.deprecationMessage or null == null then
          x: x
        else
          lib.warn "The type `types.${opt.type.name}' of option `${showOption loc}' defined in ${showFiles opt.declarations} is deprecated. ${opt.type.deprecationMessage}";
    in
    warnDeprecated (
      opt
      // {
        value = addErrorContext "while evaluating the option `${showOption loc}':" value;
        definitions = map (def: def.value) merged.defsFinal;
        files = map (def: def.file) merged.defsFinal;
        definitionsWithLocations = merged.defsFinal;
        inherit (merged) isDefined highestPrio;
        inherit (merged.checkedAndMerged) valueMeta;
        __toString = _: showOption loc;
      }
    );

  # One name of the tree: an option, or a group of options.
  mergeName =
    loc: decls: defs:
    let
      checked = map (checkDeclaration loc) decls;
      options = filter (decl: isOption decl.options) checked;
      leaf =
        decls:
        let
          option = evalOptionValue loc (mergeOptionDecls loc decls) defs;
        in
        {
          inherit option;
          inherit (option) value;
          unmatched = [ ];
        };
      group = mergeTree loc (map (decl: { inherit (decl) file options; }) checked) (
        concatMap (def: splitDefinition loc def.file def.value) defs
      );
    in
    if options == [ ] then
      {
        option = group.options;
        value = group.values;
        # Without definitions here there is nothing below that could be left over.
        unmatched = if defs == [ ] then [ ] else group.unmatched;
      }
    else if length options == length checked then
      leaf checked
    else if all supportsNesting options then
      leaf (map nestInSubmodule checked)
    else
      throwCollision loc checked;

  /*
    Merges one level of declarations `{ file; options; }` with definitions `{ file; attrs; wrap; }`.
    `unmatched` are the definitions for which there is no option.
  */
  mergeTree =
    prefix: decls: parts:
    let
      declared = zipAttrsWith joinLists (map (declarationsIn prefix) decls);
      defined = zipAttrsWith joinLists (map definitionsIn parts);
      nodes = mapAttrs (
        name: decls: mergeName (prefix ++ [ name ]) decls (defined.${name} or [ ])
      ) declared;
      strays = removeAttrs defined (attrNames declared);
      strayDefs =
        if strays == { } then
          [ ]
        else
          concatLists (
            attrValues (mapAttrs (name: map (def: def // { prefix = prefix ++ [ name ]; })) strays)
          );
      withDefs = builtins.intersectAttrs defined nodes;
    in
    {
      options = mapAttrs (_: node: node.option) nodes;
      values = mapAttrs (_: node: node.value) nodes;
      unmatched = strayDefs ++ concatMap (node: node.unmatched) (attrValues withDefs);
    };
in
{
  inherit evalOptionValue joinTypes locateType;

  mergeModuleTree = mergeTree;

  mergeOptionDecls =
    loc: opts:
    mergeOptionDecls loc (
      map (opt: {
        inherit (opt) options;
        file = opt._file;
        pos = opt.pos or null;
      }) opts
    );

  # Merges the modules (with `_file`, `options`, `config`) below a prefix.
  mergeModules =
    prefix: modules:
    let
      merged = mergeTree prefix (map (m: {
        file = m._file;
        inherit (m) options;
      }) modules) (concatMap (m: splitDefinition prefix m._file m.config) modules);
    in
    {
      matchedOptions = merged.options;
      unmatchedDefns = merged.unmatched;
      inherit (merged) values;
    };
}
