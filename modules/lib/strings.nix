# Strings: joining, splitting, searching, paths in strings, numbers in strings.
{ lib }:
let
  inherit (builtins)
    elemAt
    fromJSON
    genList
    length
    match
    stringLength
    substring
    toJSON
    ;
  inherit (lib.lists) imap1 last;

  lower = stringToCharacters "abcdefghijklmnopqrstuvwxyz";
  upper = stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

  stringToCharacters = s: genList (i: substring i 1 s) (stringLength s);

  # An integer in decimal, perhaps with leading zeros when `zeros` is a pattern for them.
  parseInt =
    name: zeros: text:
    let
      parts = match "[[:space:]]*(-?)${zeros}(0|[1-9][0-9]*)[[:space:]]*" text;
      number = fromJSON (elemAt parts 0 + elemAt parts 1);
      padded = match "[[:space:]]*-?0[0-9]+[[:space:]]*" text != null;
    in
    if parts != null && builtins.isInt number then
      number
    else if padded then
      throw "${name}: ${toJSON text} begins with a zero: it could be meant as octal, or as padded."
    else
      throw "${name}: Could not convert ${toJSON text} to int.";
in
rec {
  inherit (builtins)
    compareVersions
    concatStringsSep
    elem
    elemAt
    filter
    fromJSON
    genList
    head
    isInt
    isList
    isPath
    isString
    match
    parseDrvName
    readFile
    replaceStrings
    split
    storeDir
    stringLength
    substring
    tail
    toJSON
    typeOf
    unsafeDiscardStringContext
    appendContext
    getContext
    hasContext
    hashString
    ;
  inherit stringToCharacters;

  lowerChars = lower;
  upperChars = upper;

  # Maps over the characters of a string.
  stringAsChars = f: s: concatStringsSep "" (map f (stringToCharacters s));

  join = concatStringsSep;
  concatStrings = concatStringsSep "";
  concatMapStrings = f: list: concatStringsSep "" (map f list);
  concatImapStrings = f: list: concatStringsSep "" (imap1 f list);
  concatMapStringsSep =
    sep: f: list:
    concatStringsSep sep (map f list);
  concatImapStringsSep =
    sep: f: list:
    concatStringsSep sep (imap1 f list);
  concatMapAttrsStringSep =
    sep: f: set:
    concatStringsSep sep (lib.mapAttrsToList f set);

  # Ends every element with a newline.
  concatLines = concatMapStrings (s: s + "\n");

  intersperse =
    sep: list:
    if list == [ ] then
      [ ]
    else
      lib.tail (
        lib.concatMap (x: [
          sep
          x
        ]) list
      );

  replicate = n: s: concatStringsSep "" (lib.lists.replicate n s);

  # Removes white space at both ends.
  trim = trimWith {
    start = true;
    end = true;
  };

  trimWith =
    {
      start ? false,
      end ? false,
    }:
    s:
    let
      space = "[ \t\r\n]*";
      found = match "${if start then space else ""}(${if end then ".*[^ \t\r\n]" else ".*"})${if end then space else ""}" s;
    in
    # The pattern for the end wants a last character that is no space: without one, nothing is left.
    if start || end then
      (if found == null then "" else head (match "${if start then space else ""}(.*)" (head found)))
    else
      s;

  makeSearchPath =
    subDir: paths: concatStringsSep ":" (map (path: path + "/" + subDir) (filter (x: x != null) paths));
  makeSearchPathOutput =
    output: subDir: pkgs:
    makeSearchPath subDir (map (lib.getOutput output) pkgs);
  makeLibraryPath = makeSearchPathOutput "lib" "lib";
  makeIncludePath = makeSearchPathOutput "dev" "include";
  makeBinPath = makeSearchPathOutput "bin" "bin";

  # Collapses repeated slashes.
  normalizePath =
    s: concatStringsSep "" (map (part: if isList part then "/" else part) (builtins.split "/+" s));

  optionalString = cond: s: if cond then s else "";

  hasPrefix = prefix: s: substring 0 (stringLength prefix) s == prefix;
  hasSuffix =
    suffix: s:
    let
      rest = stringLength s - stringLength suffix;
    in
    rest >= 0 && substring rest (-1) s == suffix;
  hasInfix = infix: s: length (builtins.split (lib.strings.escapeRegex infix) "x${s}x") > 1;

  removePrefix = prefix: s: if hasPrefix prefix s then substring (stringLength prefix) (-1) s else s;
  removeSuffix =
    suffix: s: if hasSuffix suffix s then substring 0 (stringLength s - stringLength suffix) s else s;

  toLower = replaceStrings upper lower;
  toUpper = replaceStrings lower upper;

  # Upper-cases the first letter, lower-cases the rest.
  toSentenceCase =
    s:
    if isString s then
      toUpper (substring 0 1 s) + toLower (substring 1 (-1) s)
    else
      throw "toSentenceCase takes a string, not a value of type ${builtins.typeOf s}";

  # Joins words: the first one in lower case, the others with an upper-case letter first.
  toCamelCase =
    s:
    let
      boundaries = builtins.split "([^[:alnum:]]+)|([[:upper:]]+[^[:upper:][:punct:][:space:]]*)" s;
      words = filter (w: w != null && w != "") (
        map (part: if isList part then elemAt part 1 else part) boundaries
      );
    in
    if !(isString s) then
      throw "toCamelCase takes a string, not a value of type ${builtins.typeOf s}"
    else if words == [ ] then
      ""
    else
      toLower (head words) + concatMapStrings toSentenceCase (lib.tail words);

  replaceString = from: to: replaceStrings [ from ] [ to ];

  # A string with the context of another.
  addContextFrom = src: target: substring 0 0 src + target;

  splitString =
    sep: s:
    let
      parts = filter isString (builtins.split (lib.strings.escapeRegex (toString sep)) (toString s));
    in
    map (addContextFrom s) parts;

  splitStringBy =
    pred: keepSplit: s:
    let
      len = stringLength s;
      go =
        i: current: done:
        if i >= len then
          done ++ [ current ]
        else
          let
            char = substring i 1 s;
            prev = if i > 0 then substring (i - 1) 1 s else "";
          in
          if i > 0 && pred prev char || (i == 0 && pred "" char) then
            go (i + 1) (if keepSplit then char else "") (done ++ [ current ])
          else
            go (i + 1) (current + char) done;
    in
    if len == 0 then [ "" ] else go 0 "" [ ];

  commonPrefixLength =
    a: b:
    let
      shorter = lib.min (stringLength a) (stringLength b);
      go = i: if i < shorter && substring i 1 a == substring i 1 b then go (i + 1) else i;
    in
    go 0;
  commonSuffixLength =
    a: b:
    let
      la = stringLength a;
      lb = stringLength b;
      shorter = lib.min la lb;
      go =
        i:
        if i < shorter && substring (la - i - 1) 1 a == substring (lb - i - 1) 1 b then go (i + 1) else i;
    in
    go 0;

  charToInt = c: lib.strings.asciiTable.${c};

  isStringLike = x: isString x || builtins.isPath x || x ? outPath || x ? __toString;
  isCoercibleToString = isConvertibleWithToString;
  isConvertibleWithToString =
    x:
    isStringLike x
    || lib.elem (builtins.typeOf x) [
      "null"
      "int"
      "float"
      "bool"
    ]
    || (isList x && lib.all isConvertibleWithToString x);

  # Whether a value is, or names, a path right below the store.
  isStorePath =
    x:
    isStringLike x
    && (
      let
        s = toString x;
      in
      substring 0 1 s == "/" && (builtins.dirOf s == builtins.storeDir || match "/[0-9a-z]{52}" s != null)
    );

  # The decimal digits of a number, with zeros in front up to a width.
  fixedWidthString =
    width: filler: s:
    let
      missing = width - stringLength s;
    in
    assert lib.assertMsg (
      missing >= 0
    ) "fixedWidthString: `${s}' is longer than ${toString width} characters";
    if missing == 0 then s else filler + fixedWidthString (width - stringLength filler) filler s;
  fixedWidthNumber = width: n: fixedWidthString width "0" (toString n);

  # A float as `toString` gives it; warns when that is not exact.
  floatToString =
    float:
    let
      result = toString float;
    in
    lib.warnIf (
      fromJSON result != float
    ) "lib.strings.floatToString: ${toJSON float} loses precision as ${result}" result;

  toInt = parseInt "toInt" "";
  toIntBase10 = parseInt "toIntBase10" "0*";

  readPathsFromFile =
    root: file:
    let
      lines = filter (s: s != "" && !(hasPrefix "#" s)) (lib.splitString "\n" (builtins.readFile file));
    in
    map (s: root + "/${s}") lines;
  fileContents = file: removeSuffix "\n" (builtins.readFile file);

  # The name of a file without directory and without what follows the first separator.
  nameFromURL =
    url: sep:
    let
      file = last (splitString "/" url);
      name = head (splitString sep file);
    in
    assert name != file;
    name;

  getName =
    x:
    let
      name = d: (builtins.parseDrvName d).name;
    in
    if isString x then name x else x.pname or (name x.name);
  getVersion =
    x:
    let
      version = d: (builtins.parseDrvName d).version;
    in
    if isString x then version x else x.version or (version x.name);

  versionOlder = a: b: builtins.compareVersions b a == 1;
  versionAtLeast = a: b: !(versionOlder a b);

  mesonOption = feature: value: "-D${feature}=${value}";
  mesonBool = feature: flag: mesonOption feature (lib.boolToString flag);
  mesonEnable = feature: flag: mesonOption feature (if flag then "enabled" else "disabled");
  cmakeOptionType =
    type: feature: value:
    assert lib.elem (toUpper type) [
      "FILEPATH"
      "PATH"
      "STRING"
      "BOOL"
      "INTERNAL"
      "LIST"
    ];
    "-D${feature}:${toUpper type}=${value}";
  cmakeBool = condition: flag: cmakeOptionType "bool" condition (toUpper (lib.boolToString flag));
  cmakeFeature = cmakeOptionType "string";
  enableFeature = flag: feature: "--${if flag then "enable" else "disable"}-${feature}";
  enableFeatureAs =
    flag: feature: value:
    enableFeature flag feature + optionalString flag "=${value}";
  withFeature = flag: feature: "--${if flag then "with" else "without"}-${feature}";
  withFeatureAs =
    flag: feature: value:
    withFeature flag feature + optionalString flag "=${value}";

  sanitizeDerivationName =
    s:
    let
      text = builtins.unsafeDiscardStringContext s;
      # A name may not begin with a dot, and has a small alphabet (nix-store's own rules).
      undotted = head (match "\\.*(.*)" text);
      clean = concatStringsSep "" (
        map (part: if isList part then "-" else part) (builtins.split "[^[:alnum:]+._?=-]+" undotted)
      );
      short = substring (lib.max (stringLength clean - 207) 0) (-1) clean;
    in
    if short == "" then "unknown" else short;

  levenshtein =
    a: b:
    let
      la = stringLength a;
      charsA = stringToCharacters a;
      charsB = stringToCharacters b;
      # One row of the matrix at a time.
      nextRow =
        row: charB:
        lib.foldl' (
          acc: i:
          let
            left = elemAt acc i;
            above = elemAt row (i + 1);
            corner = elemAt row i + (if elemAt charsA i == charB then 0 else 1);
            cell = lib.min (lib.min (left + 1) (above + 1)) corner;
          in
          acc ++ [ (builtins.seq cell cell) ]
        ) [ (head row + 1) ] (genList (i: i) la);
    in
    elemAt (lib.foldl' nextRow (genList (i: i) (la + 1)) charsB) la;

  levenshteinAtMost =
    k: a: b:
    let
      difference = stringLength a - stringLength b;
    in
    if difference > k || difference < -k then
      false
    else if k == 0 then
      a == b
    else
      levenshtein a b <= k;

  toShellVars = vars: concatStringsSep "\n" (lib.mapAttrsToList lib.strings.toShellVar vars);
}
