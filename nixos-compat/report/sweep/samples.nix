# Values for options that have to be set, by their types: a module is not to blame that nobody set them.
{
  lib,
  # A package, where one is wanted.
  package,
}:
let
  elementOf = type: type.nestedTypes.elemType or type.functor.wrapped;
  candidates = {
    bool = [ false ];
    path = [ "/var/lib/sample" ];
    package = [ package ];
    lines = [ "sample" ];
    attrs = [ { } ];
    anything = [ { } ];
    unspecified = [ { } ];
    raw = [ { } ];
    functionTo = [ (_argument: [ ]) ];
  };
  texts = [
    "sample"
    "/var/lib/sample"
    "sample.example.org"
    "https://sample.example.org"
    "192.0.2.1"
    "1"
    "sample@example.org"
  ];

  # What could be a value of a type, the likeliest first. Some types are made of themselves.
  forType = within 3;
  within =
    depth: type:
    let
      inherit (type) name;
      forType = within (depth - 1);
    in
    if depth == 0 then
      [ ]
    else if name == "submodule" then
      [ (lib.foldl' lib.recursiveUpdate { } (below [ ] (optionsOf type [ ]))) ]
    else if name == "nullOr" then
      [ null ]
    else if name == "enum" then
      lib.take 1 (type.functor.payload.values or type.functor.payload)
    else if name == "listOf" then
      [ [ ] ] ++ map (value: [ value ]) (forType (elementOf type))
    else if name == "attrsOf" || name == "lazyAttrsOf" then
      [ { } ] ++ map (sample: { inherit sample; }) (forType (elementOf type))
    else if name == "either" then
      forType type.nestedTypes.left ++ forType type.nestedTypes.right
    else if name == "coercedTo" then
      forType type.nestedTypes.finalType ++ forType type.nestedTypes.coercedType
    else
      candidates.${name} or (
        [
          1
          1024
        ]
        ++ texts
      );

  sample =
    path: option:
    let
      fits = lib.filter option.type.check (forType option.type);
    in
    lib.optional (fits != [ ]) (lib.setAttrByPath path (lib.mkOverride 1490 (lib.head fits)));

  # A default that is no value of the type says the same as none. Looking at a package would mean to evaluate it.
  isSimple =
    type:
    lib.elem type.name [
      "attrsOf"
      "int"
      "listOf"
      "path"
      "separatedString"
      "str"
    ];
  # One that follows from other options may need what is not there before the module is enabled.
  defaultFits =
    option:
    let
      result = builtins.tryEval (option.type.check option.default);
    in
    option ? defaultText || !result.success || result.value;
  hasValue =
    option:
    if option ? default then
      !(isSimple option.type) || (option.highestPrio or 1500) < 1500 || defaultFits option
    else
      option.isDefined or false;
  # An old name is not set, but the new one; one that was removed is not either.
  mustBeSet =
    option:
    !(
      option ? leadsTo || option.readOnly or false || option.visible or true == false || hasValue option
    );
  optionsOf = type: path: removeAttrs (type.getSubOptions path) [ "_module" ];

  # Definitions for the options of a tree that need one.
  below =
    path: tree:
    if lib.isOption tree then
      lib.optionals (mustBeSet tree) (sample path tree)
      ++ lib.optionals (tree ? type && tree.type.name == "submodule") (
        below path (optionsOf tree.type path)
      )
    else
      lib.concatLists (lib.mapAttrsToList (name: below (path ++ [ name ])) tree);
in
below
