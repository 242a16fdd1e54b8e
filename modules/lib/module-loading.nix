# Turns what may stand in `imports` (paths, functions, attribute sets) into uniform modules.
{ lib }:
let
  inherit (builtins)
    addErrorContext
    attrNames
    concatMap
    elem
    filter
    genericClosure
    isAttrs
    isList
    isString
    mapAttrs
    removeAttrs
    substring
    toJSON
    ;
  inherit (lib) isFunction mkMerge;
  inherit (lib.lists) imap1;

  properties = [
    "if"
    "merge"
    "override"
  ];

  structural = [
    "_class"
    "_file"
    "key"
    "disabledModules"
    "imports"
    "options"
    "config"
    "meta"
    "freeformType"
  ];

  # In a module without `config` and `options`, everything else defines options.
  shorthandStructural = [
    "_class"
    "_file"
    "key"
    "disabledModules"
    "require"
    "imports"
    "freeformType"
  ];

  withFreeform =
    m: config:
    if m ? freeformType then
      mkMerge [
        config
        { _module.freeformType = m.freeformType; }
      ]
    else
      config;

  withMeta =
    m: config:
    if m ? meta then
      mkMerge [
        config
        { inherit (m) meta; }
      ]
    else
      config;

  # Brings a module to the form with `_file`, `key`, `imports`, `options` and `config`.
  unifyModuleSyntax =
    file: key: m:
    let
      explicit = m ? config || m ? options;
      strays = removeAttrs m structural;
      common = {
        _file = toString m._file or file;
        _class = m._class or null;
        key = toString m.key or key;
        disabledModules = m.disabledModules or [ ];
      };
    in
    if !explicit then
      common
      // {
        imports = m.require or [ ] ++ m.imports or [ ];
        options = { };
        config = withFreeform m (removeAttrs m shorthandStructural);
      }
    else if strays != { } then
      throw "Module `${key}' has an unsupported attribute `${builtins.head (attrNames strays)}'. A module that has a top-level `config' or `options' attribute must define its options inside `config': move the attribute there, or move what is in `config' to the top level."
    else
      common
      // {
        imports = m.imports or [ ];
        options = m.options or { };
        config = withFreeform m (withMeta m (m.config or { }));
      };

  /*
    Calls a module function. Arguments that the caller does not provide are looked up, lazily, in
    `_module.args`; since that needs `config`, it can't work in `imports`, and the error says so.
  */
  applyModuleArgs =
    key: f: args:
    let
      missing = removeAttrs (lib.trivial.functionArgs f) (attrNames args);
      lookUp =
        name: _:
        addErrorContext "while evaluating the module argument `${name}' in \"${key}\":" (
          addErrorContext
            "noting that argument `${name}` is not given from outside, so that it is read from `_module.args`, which needs `config`"
            (
              args.config._module.args.${name}
                or (throw "The module `${key}' asks for the argument `${name}', which is neither in `specialArgs` nor in `_module.args`.")
            )
        );
    in
    f (if missing == { } then args else args // mapAttrs lookUp missing);

  applyIfFunction =
    key: m: args:
    if isFunction m then applyModuleArgs key m args else m;

  shownType =
    m: file: prefix:
    let
      below =
        if prefix == [ ] then
          ""
        else
          ", while trying to load a module into option `${lib.showOption prefix}'";
      hint =
        if m._type == "configuration" then
          "\nThis is a whole evaluated configuration; please only import the modules that make up the configuration, or use its `config' as a value."
        else
          "";
    in
    "Expected a module, but found a value of type ${toJSON m._type}, while trying to load a module into ${file}${below}.${hint}";

  loadModule =
    args: file: key: m:
    if isFunction m then
      unifyModuleSyntax file key (expectModule file key args._prefix (applyModuleArgs key m args))
    else if isAttrs m then
      let
        type = m._type or "module";
      in
      if elem type properties then
        unifyModuleSyntax file key { config = m; }
      else if type == "module" then
        unifyModuleSyntax file key m
      else
        throw (shownType m (toString m._file or file) args._prefix)
    else if isList m then
      throw "`imports' takes modules, but has a list among them: join it with the list around it. It is ${
        lib.showDefs [
          {
            inherit file;
            value = m;
          }
        ]
      }"
    else
      let
        path = toString m;
      in
      unifyModuleSyntax path path (
        expectModule path path args._prefix (
          addErrorContext "while loading the module `${path}':" (applyIfFunction path (import m) args)
        )
      );

  expectModule =
    file: key: prefix: m:
    if !(isAttrs m) then
      throw "module ${file} (${key}) does not look like a module. It is ${
        if isFunction m then
          "a function that returns a function"
        else
          "a value of type ${builtins.typeOf m}"
      }."
    else if elem (m._type or "module") properties then
      { config = m; }
    else if m._type or "module" != "module" then
      throw (shownType m file prefix)
    else
      m;

  # The key by which a `disabledModules` entry names a module.
  disabledKey =
    modulesPath: file: m:
    if isString m then
      if substring 0 1 m == "/" then m else "${toString modulesPath}/${m}"
    else if isAttrs m && !(lib.isStringLike m) then
      toString (
        m.key
          or (throw "Module `${file}` contains a disabledModules item that is an attribute set, presumably a module, that does not have a `key` attribute. Give the module a `key', both where it is imported and here.")
      )
    else
      toString m;

  checkClass =
    class: m:
    if class != null && m._class != null && m._class != class then
      throw "The module `${m._file}` is of class ${toJSON m._class}, but the evaluation that imports it expects class ${toJSON class}."
    else
      m;

  # Every module below a list of imports, as a tree, before anything is disabled.
  loadTree =
    context: parentFile: parentKey: modules:
    imap1 (
      n: x:
      let
        module = checkClass context.class (
          loadModule context.args parentFile "${parentKey}:anon-${toString n}" x
        );
        children = loadTree context module._file module.key module.imports;
      in
      {
        inherit (module) key;
        inherit module children;
        disabled =
          map (disabledKey context.modulesPath module._file) module.disabledModules
          ++ concatMap (child: child.disabled) children;
      }
    ) modules;

  toGraph =
    isDisabled:
    map (entry: {
      inherit (entry) key;
      file = entry.module._file;
      imports = toGraph isDisabled entry.children;
      disabled = isDisabled entry;
    });
in
{
  inherit applyModuleArgs applyIfFunction unifyModuleSyntax;
  applyModuleArgsIfFunction = applyIfFunction;

  /*
    Loads `modules` and all that they import. `modules` of the result is in the order in which
    definitions are merged, each module once; `graph` tells who imports whom.
  */
  collectModules =
    class: modulesPath: modules: args:
    let
      tree = loadTree { inherit class modulesPath args; } "<unknown-file>" "" modules;
      disabled = concatMap (entry: entry.disabled) tree;
      isDisabled = entry: elem entry.key disabled;
      enabled = if disabled == [ ] then entries: entries else filter (entry: !(isDisabled entry));
      closure = genericClosure {
        startSet = enabled tree;
        operator = entry: enabled entry.children;
      };
    in
    {
      modules = map (entry: entry.module) closure;
      graph = toGraph isDisabled tree;
    };

  # Gives a module, and what it imports without a file name, a file name for messages.
  setDefaultModuleLocation = file: m: {
    _file = file;
    imports = [ m ];
  };

  # Imports a module file which takes more arguments first, keeping its name for messages.
  importApply =
    modulePath: staticArgs:
    lib.modules.setDefaultModuleLocation modulePath (import modulePath staticArgs);
}
