# Configuration files from Nix values.
{ lib }:
let
  inherit (builtins)
    attrNames
    concatStringsSep
    isAttrs
    isBool
    isFloat
    isFunction
    isInt
    isList
    isPath
    isString
    mapAttrs
    match
    toJSON
    typeOf
    ;
  inherit (lib) concatMapAttrsStringSep isDerivation;
  inherit (lib.strings) escape floatToString;

  refuse =
    function: what: value:
    throw "${function}: ${what}: ${toPretty { } value}";

  toPretty =
    {
      multiline ? true,
      indent ? "",
      allowPrettyValues ? false,
    }:
    let
      go =
        indent: v:
        let
          newline = if multiline then "\n${indent}  " else " ";
          outro = if multiline then "\n${indent}" else " ";
        in
        if isInt v then
          toString v
        else if isFloat v then
          toJSON v
        else if isString v then
          goString indent v
        else if v == true then
          "true"
        else if v == false then
          "false"
        else if v == null then
          "null"
        else if isPath v then
          toString v
        else if isList v then
          if v == [ ] then
            "[ ]"
          else
            "[${newline}${concatStringsSep newline (map (go "${indent}  ") v)}${outro}]"
        else if isFunction v then
          goFunction v
        else if isAttrs v then
          if allowPrettyValues && v ? __pretty && v ? val then
            v.__pretty v.val
          else if v == { } then
            "{ }"
          else if v ? type && v.type == "derivation" then
            "<derivation ${v.name or "???"}>"
          else if v ? __functor && !(v ? __pretty) && isFunction v.__functor then
            goFunction v
          else
            "{${newline}${
              concatMapAttrsStringSep newline (
                name: value:
                "${lib.strings.escapeNixIdentifier name} = ${builtins.addErrorContext "while evaluating an attribute `${name}`" (go "${indent}  " value)};"
              ) v
            }${outro}}"
        else
          throw "generators.toPretty: no text for a value of type ${typeOf v}";

      goFunction =
        v:
        let
          args = lib.functionArgs v;
          shown = concatMapAttrsStringSep ", " (name: optional: if optional then "${name}?" else name) args;
        in
        if args == { } then "<function>" else "<function, args: {${shown}}>";

      # A string of several lines is shown as an indented string.
      goString =
        indent: v:
        let
          lines = lib.splitString "\n" v;
          quoted = replaceInIndented v;
          pad = "\n${indent}  ";
          quotedLines = lib.splitString "\n" quoted;
          endsLine = lib.last lines == "";
        in
        if builtins.length lines == 1 || !multiline then
          "\"${builtins.replaceStrings [ "\n" ] [ "\\n" ] (escape [ "\\" "\"" "\${" ] v)}\""
        else
          "''${pad}${concatStringsSep pad (if endsLine then lib.init quotedLines else quotedLines)}${
            if endsLine then "\n${indent}" else ""
          }''";

      replaceInIndented = builtins.replaceStrings [ "''" "\${" ] [ "'''" "''\${" ];
    in
    go indent;
in
rec {
  inherit toPretty;

  # A value as configuration files usually want it.
  mkValueStringDefault =
    _options: v:
    if isInt v then
      toString v
    else if isDerivation v then
      toString v
    else if isString v then
      v
    else if v == true then
      "true"
    else if v == false then
      "false"
    else if v == null then
      "null"
    else if isFloat v then
      floatToString v
    else if isList v then
      refuse "generators.mkValueStringDefault" "lists are not supported" v
    else if isAttrs v then
      refuse "generators.mkValueStringDefault" "attrsets are not supported" v
    else if isFunction v then
      refuse "generators.mkValueStringDefault" "functions are not supported" v
    else
      refuse "generators.mkValueStringDefault" "this value is not supported" (toString v);

  # `key<sep>value`, with the separator escaped in the key.
  mkKeyValueDefault =
    {
      mkValueString ? mkValueStringDefault { },
    }:
    sep: k: v:
    "${escape [ sep ] k}${sep}${mkValueString v}";

  toKeyValue =
    {
      mkKeyValue ? mkKeyValueDefault { } "=",
      listsAsDuplicateKeys ? false,
      indent ? "",
    }:
    let
      line = k: v: "${indent}${mkKeyValue k v}\n";
      lines = if listsAsDuplicateKeys then k: v: map (line k) (lib.toList v) else k: v: [ (line k v) ];
    in
    attrs: lib.concatStrings (lib.concatLists (lib.mapAttrsToList lines attrs));

  toINI =
    {
      mkSectionName ? (name: escape [ "[" "]" ] name),
      mkKeyValue ? mkKeyValueDefault { } "=",
      listsAsDuplicateKeys ? false,
    }:
    let
      section =
        name: values:
        "[${mkSectionName name}]\n" + toKeyValue { inherit mkKeyValue listsAsDuplicateKeys; } values;
    in
    concatMapAttrsStringSep "\n" section;

  toINIWithGlobalSection =
    {
      mkSectionName ? (name: escape [ "[" "]" ] name),
      mkKeyValue ? mkKeyValueDefault { } "=",
      listsAsDuplicateKeys ? false,
    }:
    {
      globalSection,
      sections ? { },
    }:
    (
      if globalSection == { } then
        ""
      else
        toKeyValue { inherit mkKeyValue listsAsDuplicateKeys; } globalSection + "\n"
    )
    + toINI { inherit mkSectionName mkKeyValue listsAsDuplicateKeys; } sections;

  toGitINI =
    attrs:
    let
      sectionName =
        name:
        let
          parts = lib.splitString "." name;
          section = builtins.head parts;
          sub = concatStringsSep "." (builtins.tail parts);
        in
        if builtins.length parts == 1 then name else "${section} \"${sub}\"";
      # Quoted, a value is read literally but for these escapes (git-config(1), Syntax).
      quote = v: "\"${builtins.replaceStrings [ "\n" "\t" "\"" "\\" ] [ "\\n" "\\t" "\\\"" "\\\\" ] v}\"";
      keyValue =
        k: v:
        let
          valueString = mkKeyValueDefault {
            mkValueString = x: if isString x then quote x else mkValueStringDefault { } x;
          } " = " k;
        in
        concatStringsSep "\n" (map (x: "\t${valueString x}") (lib.toList v));
      # Sets in a section are subsections.
      flatten =
        path: value:
        if isAttrs value && !(isDerivation value) then
          lib.concatLists (lib.mapAttrsToList (n: flatten ([ n ] ++ path)) value)
        else if builtins.length path > 1 then
          [
            { ${concatStringsSep "." (lib.reverseList (builtins.tail path))}.${builtins.head path} = value; }
          ]
        else
          [ { ${builtins.head path} = value; } ];
    in
    toINI {
      mkKeyValue = keyValue;
      mkSectionName = sectionName;
    } (lib.foldl' lib.recursiveUpdate { } (flatten [ ] attrs));

  toJSON = _options: builtins.toJSON;
  # JSON is a subset of YAML.
  toYAML = toJSON;

  # Cuts a nested value at a depth, so that it can be shown even when it has no end.
  withRecursion =
    {
      depthLimit,
      throwOnDepthLimit ? true,
    }:
    let
      specials = [
        "__functor"
        "__functionArgs"
        "__toString"
        "__pretty"
      ];
      limit =
        depth: v:
        if depth <= depthLimit then
          v
        else if throwOnDepthLimit then
          throw "generators.withRecursion: the value is nested deeper than ${toString depthLimit} levels"
        else
          "<unevaluated>";
      cut =
        depth: v:
        let
          next = x: cut (depth + 1) (limit (depth + 1) x);
        in
        if isAttrs v then
          if isDerivation v then v else mapAttrs (name: x: if lib.elem name specials then x else next x) v
        else if isList v then
          map next v
        else
          limit (depth + 1) v;
    in
    cut 0;

  toPlist =
    {
      escape ? false,
    }:
    v:
    let
      text = if escape then lib.escapeXML else x: x;
      block =
        ind: tag: lines:
        "${ind}<${tag}>\n${concatStringsSep "\n" lines}\n${ind}</${tag}>";
      go =
        ind: x:
        if x == null then
          ""
        else if isBool x then
          "${ind}<${lib.boolToString x}/>"
        else if isInt x then
          "${ind}<integer>${toString x}</integer>"
        else if isString x then
          "${ind}<string>${text x}</string>"
        else if isPath x then
          "${ind}<string>${text (toString x)}</string>"
        else if isFloat x then
          "${ind}<real>${floatToString x}</real>"
        else if isList x then
          block ind "array" (map (go "\t${ind}") x)
        else if isAttrs x then
          block ind "dict" (
            lib.concatLists (
              lib.mapAttrsToList (
                name: value:
                lib.optionals (value != null) [
                  "\t${ind}<key>${text name}</key>"
                  (go "\t${ind}" value)
                ]
              ) x
            )
          )
        else
          throw "generators.toPlist: no property list for a value of type ${typeOf x}";
    in
    ''
      <?xml version="1.0" encoding="UTF-8"?>
      <!DOCTYPE plist PUBLIC "-//Apple Computer//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
      <plist version="1.0">
      ${go "" v}
      </plist>'';

  toDhall =
    options: v:
    if isAttrs v then
      "{ ${concatMapAttrsStringSep ", " (name: value: "${name} = ${toDhall options value}") v} }"
    else if isList v then
      "[ ${lib.concatMapStringsSep ", " (toDhall options) v} ]"
    else if isInt v then
      "${if v < 0 then "" else "+"}${toString v}"
    else if isBool v then
      if v then "True" else "False"
    else if isFunction v then
      refuse "generators.toDhall" "cannot convert a function" "<function>"
    else if v == null then
      throw "generators.toDhall: cannot convert null"
    else
      builtins.toJSON v;

  # Lua expressions; `mkLuaInline` marks one that is given as text.
  mkLuaInline = expr: {
    _type = "lua-inline";
    inherit expr;
  };
  toLua =
    {
      multiline ? true,
      indent ? "",
      asBindings ? false,
    }@args:
    v:
    let
      innerIndent = "${indent}  ";
      innerArgs = args // {
        indent = if asBindings then indent else innerIndent;
        asBindings = false;
      };
      separator = if multiline then "\n${innerIndent}" else " ";
      wrap =
        items:
        "{${if multiline then "\n${innerIndent}" else " "}${concatStringsSep ",${separator}" items}${
          if multiline then "\n${indent}" else " "
        }}";
      isInline = x: x._type or null == "lua-inline";
      bindings = concatMapAttrsStringSep "" (
        name: value: "${indent}${name} = ${toLua innerArgs value}\n"
      ) v;
      badNames = lib.filter (
        name: match "[a-zA-Z_][a-zA-Z0-9_]*(\\.[a-zA-Z_][a-zA-Z0-9_]*)*" name == null
      ) (attrNames v);
    in
    if asBindings then
      if badNames == [ ] then
        bindings
      else
        throw "generators.toLua: invalid variable names: ${concatStringsSep ", " badNames}"
    else if v == null then
      "nil"
    else if isInt v || isFloat v || isString v || isBool v then
      builtins.toJSON v
    else if isPath v || isDerivation v then
      builtins.toJSON "${v}"
    else if isList v then
      if v == [ ] then "{}" else wrap (map (toLua innerArgs) v)
    else if isAttrs v then
      if isInline v then
        "(${v.expr})"
      else if v == { } then
        "{}"
      else
        wrap (lib.mapAttrsToList (name: value: "[${builtins.toJSON name}] = ${toLua innerArgs value}") v)
    else
      throw "generators.toLua: type ${typeOf v} is unsupported";
}
