# Escaping: shell, regular expressions, Nix source, XML, URLs, C strings.
{ lib }:
let
  inherit (builtins)
    isAttrs
    isList
    match
    replaceStrings
    toJSON
    ;
  inherit (lib.strings) stringToCharacters;

  # The 95 printable characters of ASCII, from the space on, then the three control characters that Nix can write.
  printable = stringToCharacters " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";

  hex = n: lib.fixedWidthString 2 "0" (lib.toHexString n);

  # Valid unescaped in a URL (RFC 3986, section 2.3).
  unreserved = stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
  reserved = lib.subtractLists unreserved (builtins.attrNames asciiTable);

  keywords = [
    "assert"
    "else"
    "if"
    "in"
    "inherit"
    "let"
    "or"
    "rec"
    "then"
    "with"
  ];

  asciiTable = builtins.listToAttrs (lib.imap0 (i: c: lib.nameValuePair c (32 + i)) printable) // {
    "\t" = 9;
    "\n" = 10;
    "\r" = 13;
  };
in
rec {
  inherit asciiTable;

  # Puts a backslash before each of the characters of a list.
  escape = chars: replaceStrings chars (map (c: "\\${c}") chars);

  escapeC = chars: replaceStrings chars (map (c: "\\x${lib.toLower (hex asciiTable.${c})}") chars);

  escapeURL = replaceStrings reserved (map (c: "%${hex asciiTable.${c}}") reserved);

  # Quotes a value for a POSIX shell, unless it needs no quotes.
  escapeShellArg =
    arg:
    let
      s = toString arg;
    in
    if match "[[:alnum:],._+:@%/-]+" s == null then "'${replaceStrings [ "'" ] [ "'\\''" ] s}'" else s;
  escapeShellArgs = lib.concatMapStringsSep " " escapeShellArg;

  isValidPosixName = name: match "[a-zA-Z_][a-zA-Z0-9_]*" name != null;

  # The shell code that sets a variable to a string, a list (array) or a set (associative array).
  toShellVar =
    name: value:
    if !(isValidPosixName name) then
      throw "toShellVar: no shell variable can be called `${name}'"
    else if isAttrs value && !(lib.strings.isStringLike value) then
      "declare -A ${name}=(${
        lib.concatMapAttrsStringSep " " (n: v: "[${escapeShellArg n}]=${escapeShellArg v}") value
      })"
    else if isList value then
      "declare -a ${name}=(${escapeShellArgs value})"
    else
      "${name}=${escapeShellArg value}";

  # A string as a Nix literal.
  escapeNixString = s: escape [ "$" ] (toJSON s);
  escapeNixIdentifier =
    s:
    if match "[a-zA-Z_][a-zA-Z0-9_'-]*" s != null && !(lib.elem s keywords) then
      s
    else
      escapeNixString s;

  escapeRegex = escape (stringToCharacters "\\[{()^$?*+|.");

  escapeXML =
    replaceStrings
      [
        "\""
        "'"
        "<"
        ">"
        "&"
      ]
      [
        "&quot;"
        "&apos;"
        "&lt;"
        "&gt;"
        "&amp;"
      ];

}
