# The module system's entry: `evalModules`.
{ lib }:
let
  inherit (builtins)
    addErrorContext
    attrNames
    head
    length
    removeAttrs
    seq
    tryEval
    ;
  inherit (lib.modules) collectModules mergeModules;
  inherit (lib.options) showOption;
  inherit (lib) types mkOption;

  configHint = "if you get an infinite recursion here, `config` is probably needed to know the `imports` of a module or the names of its options. Import the module in any case, and make what it defines depend on `config` with `mkIf`.";

  # The options which every evaluation has; they are the same objects each time.
  moduleOptions = {
    _module = {
      args = mkOption {
        type = types.lazyAttrsOf types.raw;
        description = "Further arguments for the module functions, by name. They can't be used in `imports`: for that, `specialArgs` is there.";
        internal = false;
      };
      check = mkOption {
        type = types.bool;
        internal = true;
        default = true;
        description = "Whether a definition without an option is an error.";
      };
      freeformType = mkOption {
        type = types.nullOr types.optionType;
        internal = true;
        default = null;
        description = "The type by which definitions without an option are merged; with null they are errors.";
      };
      specialArgs = mkOption {
        readOnly = true;
        internal = true;
        description = "The `specialArgs` of this evaluation.";
      };
    };
  };

  # In a submodule the same options are not worth documenting again.
  internalModuleOptions = {
    _module = moduleOptions._module // {
      args = moduleOptions._module.args // {
        internal = true;
      };
    };
  };

  internalModule = prefix: specialArgs: args: {
    _file = "lib/modules.nix";
    options = if prefix == [ ] then moduleOptions else internalModuleOptions;
    config._module = {
      inherit args specialArgs;
    };
  };

  # Names that a definition without an option may have meant: the nearest options beside it.
  suggestions =
    prefix: options: stray:
    let
      parent = lib.init stray.prefix;
      here = lib.attrByPath (lib.drop (length prefix) parent) { } options;
      names = attrNames (removeAttrs here [ "_module" ]);
      nearest = lib.take 3 (lib.sortOn (lib.levenshtein (lib.last stray.prefix)) names);
      shown = map (name: "`${showOption (parent ++ [ name ])}'") nearest;
    in
    if nearest == [ ] then
      ""
    else if length shown == 1 then
      "\n\nDid you mean ${head shown}?"
    else
      "\n\nDid you mean ${lib.concatStringsSep ", " (lib.init shown)} or ${lib.last shown}?";

  hintFor =
    prefix: options: strays: stray:
    let
      isDeclaration =
        def:
        let
          attempt = tryEval (def.value._type or "" == "option");
        in
        attempt.success && attempt.value;
      nothingDeclared = removeAttrs options [ "_module" ] == { };
    in
    if !(if nothingDeclared then lib.any isDeclaration strays else isDeclaration stray) then
      suggestions prefix options stray
    else if prefix == [ ] then
      "\n\nIt seems as if you're trying to declare an option by placing it into `config' rather than `options'."
    else
      "\n\nAn option declaration stands where a value should. This can happen if you e.g. declared your options in `types.submodule' below `config' rather than `options'.";

  throwStray =
    prefix: options: strays:
    let
      stray = head strays;
      name = showOption stray.prefix;
      same = lib.filter (def: def.prefix == stray.prefix) strays;
      message = "The option `${name}' does not exist. Definition values:${lib.showDefs same}${
        hintFor prefix options strays stray
      }";
    in
    throw (
      addErrorContext "while evaluating a definition from `${stray.file}'" (
        addErrorContext "while evaluating the error message for definitions for `${name}', which is an option that does not exist" message
      )
    );

  # The module arguments that are there without asking `_module.args`.
  argumentsFor =
    {
      class,
      prefix,
      specialArgs,
      config,
      options,
    }:
    {
      inherit lib options specialArgs;
      _class = class;
      _prefix = prefix;
      config = addErrorContext configHint config;
    }
    // specialArgs;

  # Definitions without an option become part of the configuration by way of the freeform type.
  withFreeform =
    prefix: merged:
    let
      inherit (merged.values._module) freeformType;
      defs = map (
        def:
        let
          path = lib.drop (length prefix) def.prefix;
        in
        {
          inherit (def) file pos;
          value = lib.setAttrByPath path def.value;
        }
      ) merged.unmatchedDefns;
      freeform = if defs == [ ] then { } else freeformType.merge prefix defs;
    in
    if freeformType == null then merged.values else lib.recursiveUpdate freeform merged.values;

  /*
    Evaluates modules: merges what they declare and define into one configuration.

    `modules` are paths, functions or attribute sets; `specialArgs` further arguments that may be used
    in `imports`; `prefix` the path of the configuration in a larger one; `class` the kind of modules
    that may be imported (null: any).
  */
  evalModules =
    evalArgs@{
      modules,
      prefix ? [ ],
      specialArgs ? { },
      class ? null,
      args ? { },
      check ? true,
    }:
    let
      legacy =
        lib.optional (evalArgs ? args) {
          config._module.args = args;
        }
        ++ lib.optional (evalArgs ? check) {
          config._module.check = lib.mkDefault check;
        };
      regular = modules ++ legacy;

      collected = collectModules class (specialArgs.modulesPath or "") regular (argumentsFor {
        inherit
          class
          prefix
          specialArgs
          config
          ;
        inherit (merged) options;
      });

      # What is imported comes before what imports it, later modules before earlier ones.
      merged' = mergeModules prefix (
        lib.reverseList (
          collected.modules
          ++ [
            (internalModule prefix specialArgs {
              inherit extendModules;
              moduleType = type;
            })
          ]
        )
      );
      merged = merged' // {
        options = merged'.matchedOptions;
      };

      config = withFreeform prefix merged;

      inherit (merged.values) _module;
      checked =
        if merged.unmatchedDefns != [ ] && _module.check && _module.freeformType == null then
          throwStray prefix merged.options merged.unmatchedDefns
        else
          null;

      extendModules =
        extension@{
          modules ? [ ],
          specialArgs ? { },
          prefix ? [ ],
        }:
        evalModules {
          inherit class;
          modules = regular ++ modules;
          specialArgs = (evalArgs.specialArgs or { }) // specialArgs;
          prefix = extension.prefix or evalArgs.prefix or [ ];
        };

      type = types.submoduleWith {
        inherit class specialArgs;
        modules = regular;
      };
    in
    {
      _type = "configuration";
      options = seq checked merged.options;
      config = seq checked (removeAttrs config [ "_module" ]);
      _module = seq checked config._module;
      inherit (collected) graph;
      inherit class extendModules type;
    };
in
{
  inherit evalModules;
  unknownFile = "<unknown-file>";
}
