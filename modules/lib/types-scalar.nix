# Types of single values: booleans, numbers, strings, paths, packages, enumerations.
{ lib }:
let
  inherit (builtins)
    elem
    head
    isAttrs
    isBool
    isFloat
    isInt
    isString
    length
    match
    toJSON
    ;
  inherit (lib.options)
    mergeEqualOption
    mergeOneOption
    showFiles
    showOption
    ;
  inherit (lib.strings)
    concatMapStringsSep
    concatStringsSep
    hasPrefix
    isStringLike
    ;
  inherit (lib.types)
    addCheck
    defaultFunctor
    mkOptionType
    mergeV2
    coherentCheck
    optionDescriptionPhrase
    ;

  between =
    type: what: low: high:
    assert lib.assertMsg (low <= high) "${what}: ${toString low} must be at most ${toString high}";
    addCheck type (x: x >= low && x <= high);

  # Integers of a fixed width, as in C.
  fixedWidth =
    kind: low: high: bits: sign:
    between lib.types.int "ints" low high
    // {
      name = "${kind}Int${toString bits}";
      description = "${toString bits} bit ${sign} integer; between ${toString low} and ${toString high} (both inclusive)";
      descriptionClass = "noun";
    };

  power = n: if n == 0 then 1 else 2 * power (n - 1);
  unsignedOf =
    bits:
    (fixedWidth "unsigned" 0 (power bits - 1) bits "unsigned")
    // {
      name = "unsignedInt${toString bits}";
    };
  signedOf =
    bits:
    (fixedWidth "signed" (0 - power (bits - 1)) (power (bits - 1) - 1) bits "signed")
    // {
      name = "signedInt${toString bits}";
    };

  simple =
    name: description: check:
    mkOptionType {
      inherit name description check;
      descriptionClass = "noun";
      merge = mergeEqualOption;
    };

  # A regular expression that an enclosing pattern can take in: one value must match both.
  merged = a: b: if a == b then a else null;
in
rec {
  raw = mkOptionType {
    name = "raw";
    description = "raw value";
    descriptionClass = "noun";
    merge = mergeOneOption;
  };

  unspecified = mkOptionType {
    name = "unspecified";
    description = "unspecified value";
    descriptionClass = "noun";
  };

  bool = simple "bool" "boolean" isBool;

  # True if one definition is true.
  boolByOr = mkOptionType {
    name = "boolByOr";
    description = "boolean (merged using or)";
    descriptionClass = "noun";
    check = isBool;
    merge = _loc: defs: lib.any (def: def.value) defs;
  };

  int = simple "int" "signed integer" isInt;
  float = simple "float" "floating point number" isFloat;

  ints = {
    between =
      low: high:
      between int "ints.between" low high
      // {
        name = "intBetween";
        description = "integer between ${toString low} and ${toString high} (both inclusive)";
      };
    unsigned = addCheck int (x: x >= 0) // {
      name = "unsignedInt";
      description = "unsigned integer, meaning >=0";
      descriptionClass = "nonRestrictiveClause";
    };
    positive = addCheck int (x: x > 0) // {
      name = "positiveInt";
      description = "positive integer, meaning >0";
      descriptionClass = "nonRestrictiveClause";
    };
    u8 = unsignedOf 8;
    u16 = unsignedOf 16;
    u32 = unsignedOf 32;
    s8 = signedOf 8;
    s16 = signedOf 16;
    s32 = signedOf 32;
  };
  port = ints.u16;

  number = lib.types.either int float;
  numbers = {
    between =
      low: high:
      between number "numbers.between" low high
      // {
        name = "numberBetween";
        description = "integer or floating point number between ${toString low} and ${toString high} (both inclusive)";
      };
    nonnegative = addCheck number (x: x >= 0) // {
      name = "numberNonnegative";
      description = "nonnegative integer or floating point number, meaning >=0";
      descriptionClass = "nonRestrictiveClause";
    };
    positive = addCheck number (x: x > 0) // {
      name = "numberPositive";
      description = "positive integer or floating point number, meaning >0";
      descriptionClass = "nonRestrictiveClause";
    };
  };

  str = simple "str" "string" isString;
  string = str // {
    name = "string";
    deprecationMessage = "It joins strings without a separator: `types.str` or `types.separatedString` says what is meant.";
  };

  nonEmptyStr = mkOptionType {
    name = "nonEmptyStr";
    description = "non-empty string";
    descriptionClass = "noun";
    check = x: isString x && match "[ \t\n]*" x == null;
    merge = mergeEqualOption;
  };

  singleLineStr =
    let
      oneLine = strMatching "[^\n\r]*\n?";
    in
    oneLine
    // {
      name = "singleLineStr";
      description = "(optionally newline-terminated) single-line string";
      descriptionClass = "noun";
      merge = loc: defs: lib.removeSuffix "\n" (oneLine.merge loc defs);
    };

  strMatching =
    pattern:
    mkOptionType {
      name = "strMatching ${lib.strings.escapeNixString pattern}";
      description = "string matching the pattern ${pattern}";
      descriptionClass = "noun";
      check = x: isString x && match pattern x != null;
      merge = mergeEqualOption;
      functor = defaultFunctor "strMatching" // {
        type = payload: strMatching payload.pattern;
        payload = { inherit pattern; };
        binOp = merged;
      };
    };

  # Strings that are joined with a separator.
  separatedString =
    sep:
    mkOptionType {
      name = "separatedString";
      description = "strings concatenated with ${toJSON sep}";
      descriptionClass = "noun";
      check = isString;
      merge = _loc: defs: concatStringsSep sep (map (def: def.value) defs);
      functor = defaultFunctor "separatedString" // {
        type = payload: separatedString payload.sep;
        payload = { inherit sep; };
        binOp = merged;
      };
    };
  lines = separatedString "\n";
  commas = separatedString ",";
  envVar = separatedString ":";

  # A string that is one field of a passwd(5) line.
  passwdEntry =
    entryType:
    addCheck entryType (x: !(lib.hasInfix ":" x || lib.hasInfix "\n" x))
    // {
      name = "passwdEntry ${entryType.name}";
      description = "${
        optionDescriptionPhrase (class: class == "noun") entryType
      }, not containing newlines or colons";
      descriptionClass = "nonRestrictiveClause";
    };

  attrs = mkOptionType {
    name = "attrs";
    description = "attribute set";
    check = isAttrs;
    merge = _loc: builtins.foldl' (acc: def: acc // def.value) { };
    emptyValue.value = { };
  };

  # A derivation, or a store path which becomes something like one.
  package = mkOptionType {
    name = "package";
    descriptionClass = "noun";
    check = x: lib.isDerivation x || lib.isStorePath x;
    merge =
      loc: defs:
      let
        value = mergeOneOption loc defs;
      in
      if builtins.isPath value || (isString value && !(builtins.hasContext value)) then
        lib.toDerivation value
      else
        value;
  };

  shellPackage = package // {
    check = x: lib.isDerivation x && x ? shellPath;
  };

  pkgs = addCheck (
    unique { message = "Package sets can't be merged."; } attrs
    // {
      name = "pkgs";
      descriptionClass = "noun";
      description = "Nixpkgs package set";
    }
  ) (x: (x._type or null) == "pkgs");

  pathInStore = pathWith { inStore = true; };
  externalPath = pathWith {
    absolute = true;
    inStore = false;
  };
  path = pathWith { absolute = true; };

  # A path, with requirements on where it begins (null: no matter).
  pathWith =
    {
      inStore ? null,
      absolute ? null,
    }:
    let
      isAbsolute = text: builtins.substring 0 1 text == "/";
      store = "${builtins.storeDir}/";
      # A file named with a dot, such as `.links`, is the store's own, not an object in it.
      isInStore =
        text:
        hasPrefix store text
        && match "\\.?" (builtins.substring (builtins.stringLength store) 1 text) == null;
      where = {
        true = " in the Nix store";
        false = " not in the Nix store";
        null = "";
      };
      key = x: if x == null then "null" else lib.boolToString x;
    in
    assert lib.assertMsg (
      inStore != true || absolute != false
    ) "In pathWith, inStore means the path must be absolute";
    mkOptionType {
      name = "path";
      description =
        (
          if absolute == null then
            ""
          else if absolute then
            "absolute "
          else
            "relative "
        )
        + "path"
        + where.${key inStore};
      descriptionClass = "noun";
      check =
        x:
        let
          text = toString x;
          kept = if builtins.isPath x then isInStore "${x}" else isInStore text;
        in
        isStringLike x
        && (inStore == null || (if builtins.isPath x && !inStore then false else kept == inStore))
        && (absolute == null || isAbsolute text == absolute);
      merge = mergeEqualOption;
      functor = defaultFunctor "path" // {
        type = pathWith;
        payload = { inherit inStore absolute; };
        binOp = merged;
      };
    };

  # One of the values of a list.
  enum =
    values:
    let
      shown =
        value:
        if value == true then
          "true"
        else if value == false then
          "false"
        else if value == null then
          "<null>"
        else if isInt value || isString value then
          toJSON value
        else
          "<${builtins.typeOf value}>";
    in
    mkOptionType {
      name = "enum";
      description =
        if values == [ ] then
          "impossible (empty enum)"
        else if length values == 1 then
          "value ${shown (head values)} (singular enum)"
        else
          "one of ${concatMapStringsSep ", " shown values}";
      descriptionClass = if length values < 2 then "noun" else "conjunction";
      check = x: elem x values;
      merge = mergeEqualOption;
      functor = defaultFunctor "enum" // {
        type = payload: enum payload.values;
        payload = { inherit values; };
        binOp = a: b: { values = lib.unique (a.values ++ b.values); };
      };
    };

  # A value with exactly one definition, else a message says why that matters.
  unique =
    { message }:
    type:
    mkOptionType {
      name = "unique";
      inherit (type)
        description
        descriptionClass
        check
        emptyValue
        getSubOptions
        getSubModules
        ;
      merge =
        loc: defs:
        lib.options.mergeUniqueOption {
          inherit message;
          merge = loc: defs: (lib.modules.mergeDefinitions loc type defs).mergedValue;
        } loc defs;
      substSubModules = m: unique { inherit message; } (type.substSubModules m);
      functor = wrapping "unique" (unique { inherit message; }) type;
      nestedTypes.elemType = type;
    };
  uniq = unique { message = ""; };

  # Null or a value of a type.
  nullOr =
    elemType:
    mkOptionType {
      name = "nullOr";
      description = "null or ${
        optionDescriptionPhrase (class: class == "noun" || class == "conjunction") elemType
      }";
      descriptionClass = "conjunction";
      check = coherentCheck (x: x == null || elemType.check x);
      merge = mergeV2 (
        { loc, defs }:
        let
          nulls = lib.count (def: def.value == null) defs;
        in
        if nulls == length defs then
          {
            headError = null;
            value = null;
            valueMeta = { };
          }
        else if nulls > 0 then
          throw "The option `${showOption loc}` is null in some of its definitions and not in others, which are in ${showFiles (lib.options.getFiles defs)}."
        else
          lib.modules.checkAndMerge loc elemType defs
      );
      emptyValue.value = null;
      inherit (elemType) getSubOptions getSubModules;
      substSubModules = m: nullOr (elemType.substSubModules m);
      functor = wrapping "nullOr" nullOr elemType;
      nestedTypes.elemType = elemType;
    };

  # The functor of a type around another one: they merge when the inner types do.
  wrapping = name: make: elemType: {
    inherit name;
    type = payload: make payload.elemType;
    wrapped = elemType;
    payload = { inherit elemType; };
    binOp =
      a: b:
      let
        inner = a.elemType.typeMerge b.elemType.functor;
      in
      if inner == null then null else { elemType = inner; };
  };
}
