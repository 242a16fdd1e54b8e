# Declaring options, merging their values without a type, and showing them in messages.
{ lib }:
let
  inherit (builtins)
    all
    concatLists
    concatStringsSep
    elem
    foldl'
    head
    isAttrs
    isBool
    isInt
    isList
    isString
    length
    match
    tail
    tryEval
    ;
  inherit (lib) isFunction;
  inherit (lib.strings) concatMapStrings escapeNixIdentifier hasPrefix;

  values = map (def: def.value);

  # Names in angle brackets stand for any name, and `*` for any list entry, which in messages is
  # `[definition N-entry M]`; they are shown as they are.
  isPlaceholder = part: part == "*" || match "<.*>|\\[definition .*]" part != null;

  # The place of a definition as precisely as Nix can tell: `file:line' when the position is in that file.
  place =
    def:
    let
      pos = def.pos or null;
      file = toString def.file;
      inherit (pos) line;
      rest = builtins.substring (builtins.stringLength pos.file) (-1) file;
      at = ":${toString line}";
    in
    if pos == null then
      "`${file}'"
    else if file == pos.file || hasPrefix "${pos.file}, " file then
      "`${pos.file}${at}${rest}'"
    else if hasPrefix lib.modules.unknownFile file then
      "`${pos.file}${at}${builtins.substring (builtins.stringLength lib.modules.unknownFile) (-1) file}'"
    else
      "`${file}'";

  # A value as text of at most five lines; nothing when it can't be evaluated.
  shownValue =
    value:
    let
      text = lib.generators.toPretty { } (
        lib.generators.withRecursion {
          depthLimit = 10;
          throwOnDepthLimit = false;
        } value
      );
      lines = lib.splitString "\n" text;
      indented = concatStringsSep "\n    " (lib.take 5 lines ++ lib.optional (length lines > 5) "...");
      attempt = tryEval indented;
    in
    if attempt.success then ": ${attempt.value}" else "";
in
rec {
  isOption = lib.isType "option";

  /*
    Declares an option. Takes `default`, `defaultText`, `example`, `description`, `relatedPackages`,
    `type`, `apply`, `internal`, `visible`, `readOnly`.
  */
  mkOption = attrs: attrs // { _type = "option"; };

  mkEnableOption =
    name:
    mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = "Whether to enable ${name}.";
    };

  # Declares an option for a package of a package set, by name or attribute path.
  mkPackageOption =
    pkgs: name:
    {
      nullable ? false,
      default ? name,
      example ? null,
      extraDescription ? "",
      pkgsText ? "pkgs",
    }:
    let
      shownName = if isList name then lib.last name else name;
      path = lib.toList default;
      attrText = path: "${pkgsText}.${concatStringsSep "." (map escapeNixIdentifier path)}";
      value = lib.attrByPath path (throw "${attrText path} cannot be found in ${pkgsText}") pkgs;
    in
    mkOption (
      {
        type = if nullable then lib.types.nullOr lib.types.package else lib.types.package;
        description =
          "The ${shownName} package to use."
          + (if extraDescription == "" then "" else " ${extraDescription}");
      }
      // (
        if default != null then
          {
            default = value;
            defaultText = literalExpression (attrText path);
          }
        else if nullable then
          { default = null; }
        else
          { }
      )
      // (
        if example == null then
          { }
        else
          { example = literalExpression (if isList example then attrText example else example); }
      )
    );

  mkPackageOptionMD = mkPackageOption;

  # An option that swallows whatever is defined below its path.
  mkSinkUndeclaredOptions =
    attrs:
    mkOption (
      {
        internal = true;
        visible = false;
        default = false;
        description = "Takes definitions of options that are not declared.";
        type = lib.mkOptionType {
          name = "sink";
          check = _: true;
          merge = _loc: _defs: false;
        };
        apply = _: throw "This option only takes definitions: it has no value to read.";
      }
      // attrs
    );

  getValues = values;
  getFiles = map (def: def.file);

  # Merges by the look of the values: the merge of types that say nothing else.
  mergeDefaultOption =
    loc: defs:
    let
      list = values defs;
    in
    if length list == 1 then
      head list
    else if all isFunction list then
      x: mergeDefaultOption loc (map (def: def // { value = def.value x; }) defs)
    else if all isList list then
      concatLists list
    else if all isAttrs list then
      foldl' (a: b: a // b) { } list
    else if all isBool list then
      foldl' (a: b: a || b) false list
    else if all isString list then
      concatStringsSep "" list
    else if all isInt list && all (x: x == head list) list then
      head list
    else
      throw "Cannot merge definitions of `${showOption loc}'. Definition values:${showDefs defs}";

  mergeOneOption = mergeUniqueOption {
    message = "With `lib.mkForce' one definition wins, with `lib.mkDefault' it gives way.";
  };

  mergeUniqueOption =
    args@{
      message,
      merge ? null,
    }:
    loc: defs:
    if length defs == 1 then
      if merge == null then (head defs).value else args.merge loc defs
    else
      throw "The option `${showOption loc}' is defined multiple times while it's expected to be unique.\n${message}\nDefinition values:${showDefs defs}";

  # Takes definitions that are all equal.
  mergeEqualOption =
    loc: defs:
    let
      first = head defs;
      check =
        _: def:
        if def.value == first.value then
          null
        else
          throw "The option `${showOption loc}' has conflicting definition values:${
            showDefs [
              first
              def
            ]
          }\nWith `lib.mkForce' one of them wins, with `lib.mkDefault' it gives way.";
    in
    if tail defs == [ ] then
      first.value
    else if isFunction first.value then
      mergeOneOption loc defs
    else
      builtins.seq (foldl' check null (tail defs)) first.value;

  # An option's path as text, quoted where Nix would want it.
  showOption =
    parts:
    concatStringsSep "." (
      map (part: if isPlaceholder part then part else escapeNixIdentifier part) parts
    );

  showFiles = files: concatStringsSep " and " (map (file: "`${toString file}'") files);

  # A list of definitions with file, line and value.
  showDefs = concatMapStrings (def: "\n- In ${place def}${shownValue def.value}");

  showOptionWithDefLocs =
    opt: "${showOption opt.loc}, defined in\n${concatMapStrings (f: "- ${toString f}\n") opt.files}";

  unknownModule = lib.modules.unknownFile;

  # Text that documentation shows in place of a value.
  literalExpression =
    text:
    if isString text then
      {
        _type = "literalExpression";
        inherit text;
      }
    else
      throw "literalExpression expects a string.";
  literalExample = lib.warn "lib.literalExample is now lib.literalExpression" literalExpression;
  literalCode = _language: text: literalMD "```\n${text}\n```";
  literalMD =
    text:
    if isString text then
      {
        _type = "literalMD";
        inherit text;
      }
    else
      throw "literalMD expects a string.";
  mdDoc = text: text;
  mkDoc = mdDoc;

  isLiteral =
    value:
    elem (value._type or "") [
      "literalExpression"
      "literalExample"
      "literalMD"
    ];
}
