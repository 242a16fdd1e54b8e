# Modules and definitions that lead from one option to another: renames, removals, aliases.
{ lib }:
let
  inherit (builtins)
    concatMap
    filter
    mapAttrs
    zipAttrsWith
    ;
  inherit (lib)
    any
    attrByPath
    getAttrFromPath
    mkIf
    mkMerge
    mkOption
    mkOverride
    optional
    optionalAttrs
    recursiveUpdate
    setAttrByPath
    showFiles
    showOption
    ;
  inherit (lib.modules) defaultOverridePriority mergeDefinitions splitDefinition;

  # What a merged option has while nobody has set it: a text that nobody writes.
  unset = "_mkMergedOptionModule";
in
rec {
  # A definition that is there if the option is defined.
  mkAliasIfDef = option: mkIf (lib.isOption option && option.isDefined);

  mkAliasDefinitions = mkAliasAndWrapDefinitions (x: x);

  # Defines another option by what one is defined as.
  mkAliasAndWrapDefinitions = wrap: option: mkAliasIfDef option (wrap (mkMerge option.definitions));

  # The same, at the priority of the definitions.
  mkAliasAndWrapDefsWithPriority =
    wrap: option:
    let
      priority = option.highestPrio or defaultOverridePriority;
    in
    mkAliasIfDef option (wrap (mkMerge (map (mkOverride priority) option.definitions)));

  # A definition derived from an option's value, at the priority of the option.
  mkDerivedConfig = opt: f: mkOverride (opt.highestPrio or defaultOverridePriority) (f opt.value);

  # The values and priorities of the attributes of an option that is a set.
  mergeAttrDefinitionsWithPrio =
    opt:
    let
      perAttribute =
        def:
        map (
          part:
          mapAttrs (
            _: value: def // { value = if part.wrap == null then value else part.wrap value; }
          ) part.attrs
        ) (splitDefinition opt.loc def.file def.value);
      merge =
        name: defs:
        let
          merged = mergeDefinitions (opt.loc ++ [ name ]) opt.type.nestedTypes.elemType defs;
        in
        {
          value = merged.mergedValue;
          inherit (merged) highestPrio;
        };
    in
    zipAttrsWith merge (concatMap perAttribute opt.definitionsWithLocations);

  /*
    The general rename: definitions of `from` become definitions of `to`, reading `from` reads `to`.
    `visible` says whether `from` is documented, `warn` whether defining it warns, `use` what
    happens to a value that is read through it, `condition` whether the definitions are passed on.
  */
  doRename =
    {
      from,
      to,
      visible,
      warn,
      use,
      withPriority ? true,
      condition ? true,
    }:
    { config, options, ... }:
    let
      fromOpt = getAttrFromPath from options;
      target = attrByPath to null options;
      toOf = attrByPath to (abort "Renaming error: option `${showOption to}' does not exist.");
      alias = if withPriority then mkAliasAndWrapDefsWithPriority else mkAliasAndWrapDefinitions;
    in
    {
      options = setAttrByPath from (
        mkOption (
          {
            inherit visible;
            description = "Another name of {option}`${showOption to}`.";
            apply = _: use (toOf config);
          }
          // optionalAttrs (target != null && lib.isOption target) { inherit (target) type; }
        )
      );
      config = mkIf condition (mkMerge [
        (optionalAttrs (options ? warnings) {
          warnings =
            optional (warn && fromOpt.isDefined)
              "The option `${showOption from}' defined in ${showFiles fromOpt.files} has been renamed to `${showOption to}'.";
        })
        (alias (setAttrByPath to) fromOpt)
      ]);
    };

  # `from` still works but warns; it is `to` now.
  mkRenamedOptionModule =
    from: to:
    doRename {
      inherit from to;
      visible = false;
      warn = true;
      use = builtins.trace "`${showOption from}' was read: the option is called `${showOption to}' now.";
    };

  # The same, silent until the release in which it was renamed is the oldest supported one.
  mkRenamedOptionModuleWith =
    {
      from,
      to,
      sinceRelease,
    }:
    doRename {
      inherit from to;
      visible = false;
      warn = lib.oldestSupportedReleaseIsAtLeast sinceRelease;
      use = lib.warnIf (lib.oldestSupportedReleaseIsAtLeast sinceRelease) "`${showOption from}' was read: the option is called `${showOption to}' now.";
    };

  mkAliasOptionModule =
    from: to:
    doRename {
      inherit from to;
      visible = true;
      warn = false;
      use = x: x;
    };
  mkAliasOptionModuleMD = mkAliasOptionModule;

  # Setting the option is an error, with a text on what to do instead.
  mkRemovedOptionModule =
    path: instructions:
    { options, ... }:
    let
      opt = getAttrFromPath path options;
      name = showOption path;
    in
    {
      options = setAttrByPath path (mkOption {
        visible = false;
        apply = _: throw "`${name}' was read, but the option was removed. ${instructions}";
      });
      config.assertions = [
        {
          assertion = !opt.isDefined;
          message = "`${name}' is set in ${showFiles opt.files}, but the option was removed: setting it does nothing.\n${instructions}";
        }
      ];
    };

  # Several old options make the value of a new one, by a function of the configuration.
  mkMergedOptionModule =
    froms: to: merge:
    { config, options, ... }:
    let
      isSet = path: getAttrFromPath path config != unset;
      old =
        path:
        setAttrByPath path (mkOption {
          visible = false;
          default = unset;
        });
      warning =
        path:
        let
          opt = getAttrFromPath path options;
        in
        "The option `${showOption path}' defined in ${showFiles opt.files} was replaced by `${showOption to}', which takes another kind of value. The old one is still converted; set the new one in its place.";
    in
    {
      options = lib.foldl' recursiveUpdate { } (map old froms);
      config = {
        warnings = map warning (filter isSet froms);
      }
      // setAttrByPath to (mkMerge (optional (any isSet froms) (merge config)));
    };

  # One old option makes the value of a new one.
  mkChangedOptionModule =
    from: to: change:
    mkMergedOptionModule [ from ] to change;
}
