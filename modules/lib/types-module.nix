# Types whose values are modules, options or types.
{ lib }:
let
  inherit (builtins)
    head
    isAttrs
    isPath
    isString
    ;
  inherit (lib) isFunction;
  inherit (lib.modules)
    checkDefsForError
    joinTypes
    locateType
    setDefaultModuleLocation
    ;
  inherit (lib.options) showFiles showOption;
  inherit (lib.types)
    coherentCheck
    defaultFunctor
    mergeV2
    mkOptionType
    optionDescriptionPhrase
    ;
in
rec {
  # A set that is a configuration of its own, from one module or several.
  submodule =
    modules:
    submoduleWith {
      shorthandOnlyDefinesConfig = true;
      modules = lib.toList modules;
    };
  submoduleOf = submodule;

  /*
    The general form of `submodule`. With `shorthandOnlyDefinesConfig`, a set that is given as a value
    is only configuration; else it is a module, so that it can declare and import as well.
  */
  submoduleWith =
    {
      modules,
      specialArgs ? { },
      shorthandOnlyDefinesConfig ? false,
      description ? null,
      class ? null,
    }@attrs:
    let
      onlyConfig = shorthandOnlyDefinesConfig == true;
      asModule =
        def:
        if isAttrs def.value && onlyConfig then
          {
            _file = def.file;
            config = def.value;
          }
        else
          setDefaultModuleLocation def.file def.value;

      base = lib.evalModules {
        inherit class specialArgs;
        modules = [ { _module.args.name = lib.mkOptionDefault "‹name›"; } ] ++ modules;
      };
      # What is defined has no say in what can be documented.
      documented =
        prefix:
        base.extendModules {
          inherit prefix;
          modules = [ lib.types.noCheckForDocsModule ];
        };
      inherit ((documented [ ])._module) freeformType;

      isModule = x: isAttrs x || isFunction x || isPath x;
    in
    mkOptionType {
      name = "submodule";
      description =
        if description != null then
          description
        else if freeformType == null then
          "submodule"
        else
          "open submodule of ${
            optionDescriptionPhrase (class: class == "noun" || class == "composite") freeformType
          }";
      check = coherentCheck isModule;
      merge = mergeV2 (
        { loc, defs }:
        let
          configuration = base.extendModules {
            modules = [ { _module.args.name = lib.last loc; } ] ++ map asModule defs;
            prefix = loc;
          };
        in
        {
          headError = checkDefsForError isModule loc defs;
          value = configuration.config;
          valueMeta = { inherit configuration; };
        }
      );
      emptyValue.value = { };
      getSubOptions =
        prefix:
        let
          docs = (documented prefix).options;
          # What is below `_module` is the same everywhere; only what the modules added matters.
          open = lib.optionalAttrs (freeformType != null) {
            _freeformOptions = freeformType.getSubOptions prefix;
          };
        in
        docs // open;
      getSubModules = modules;
      substSubModules = m: submoduleWith (attrs // { modules = m; });
      functor = defaultFunctor "submodule" // {
        type = submoduleWith;
        payload = {
          inherit
            modules
            class
            specialArgs
            description
            ;
          shorthandOnlyDefinesConfig = attrs.shorthandOnlyDefinesConfig or null;
        };
        binOp = mergeSubmodules;
      };
    };

  mergeSubmodules =
    a: b:
    let
      agree =
        name: error:
        if a.${name} == null then
          b.${name}
        else if b.${name} == null || a.${name} == b.${name} then
          a.${name}
        else
          throw error;
      common = builtins.attrNames (builtins.intersectAttrs a.specialArgs b.specialArgs);
    in
    {
      modules = a.modules ++ b.modules;
      specialArgs =
        if common == [ ] then
          a.specialArgs // b.specialArgs
        else
          throw "Two declarations of a submodule both bring the specialArgs ${toString common}";
      shorthandOnlyDefinesConfig = agree "shorthandOnlyDefinesConfig" "Two declarations of a submodule disagree on shorthandOnlyDefinesConfig";
      description = agree "description" "Two declarations of a submodule have different descriptions";
      class = agree "class" "A submoduleWith option is declared multiple times with conflicting class values ${builtins.toJSON a.class} and ${builtins.toJSON b.class}.";
    };

  # A module that is kept as a module, to be imported elsewhere.
  deferredModule = deferredModuleWith { };
  deferredModuleWith =
    {
      staticModules ? [ ],
    }:
    mkOptionType {
      name = "deferredModule";
      description = "module";
      descriptionClass = "noun";
      check = x: isAttrs x || isFunction x || isPath x || (isString x && lib.hasPrefix "/" x);
      merge = loc: defs: {
        imports =
          staticModules
          ++ map (def: setDefaultModuleLocation "${def.file}, via option ${showOption loc}" def.value) defs;
      };
      inherit (submoduleWith { modules = staticModules; }) getSubOptions getSubModules;
      substSubModules = m: deferredModuleWith { staticModules = m; };
      functor = defaultFunctor "deferredModuleWith" // {
        type = deferredModuleWith;
        payload = { inherit staticModules; };
        binOp = a: b: { staticModules = a.staticModules ++ b.staticModules; };
      };
    };

  # A type; several definitions are merged as the types of several declarations are.
  optionType = mkOptionType {
    name = "optionType";
    description = "optionType";
    descriptionClass = "noun";
    check = lib.types.isOptionType;
    merge =
      loc: defs:
      let
        located = def: locateType def.file def.value;
        join =
          acc: def:
          let
            merged = joinTypes acc.type (located def);
          in
          if merged == null then
            throw "The type `${showOption loc}' in ${showFiles [ def.file ]} can't be merged with that in ${showFiles acc.files}."
          else
            {
              type = merged;
              files = acc.files ++ [ def.file ];
            };
        first = head defs;
      in
      if builtins.length defs == 1 then
        first.value
      else
        (lib.foldl' join {
          type = located first;
          files = [ first.file ];
        } (builtins.tail defs)).type;
  };

  # What `mkOption` returns.
  optionDeclaration = mkOptionType {
    name = "optionDeclaration";
    description = "option declaration";
    descriptionClass = "noun";
    check = x: lib.isOption x && !(x ? loc);
    merge = lib.options.mergeOneOption;
  };
}
