# Environment variables as text: one value, quoted for each of the formats that hold variables.
#
# A value means the same in all of them: itself, but for `$NAME` and `${NAME}`, which are expanded, and `\$`, which is a
# dollar sign, as NixOS has it.
{ lib }:
let
  inherit (builtins) isList match;

  # What a shell expands in double quotes: `$NAME`, `${NAME}`, `${NAME:-text}` and its like, `$(command)`.
  name = "[A-Za-z_][A-Za-z0-9_]*";
  plain = "[$]${name}|[$][{]${name}[}]";
  fallback = "[$][{]${name}(:?[-+=?][^}\"'`\\]*)[}]";
  command = "[$][(][^()\"'`\\]*[)]";

  # The parts of a value: text, and sets of what is expanded, or is a `$`.
  partsOf =
    value:
    map (
      part:
      if !isList part then
        part
      else
        rec {
          text = lib.head part;
          isDollar = text == "\\$";
          isPlain = match plain text != null;
          isFallback = match fallback text != null;
        }
    ) (builtins.split "(\\\\[$]|${plain}|${fallback}|${command})" value);

  render =
    { text, expansion }:
    value: lib.concatMapStrings (p: (if lib.isString p then text else expansion) p) (partsOf value);

  escape = chars: lib.replaceStrings chars (map (c: "\\${c}") chars);
in
{
  # Whether shells take it for a variable's name.
  isName = text: match name text != null;

  # Variables that bash keeps for itself: setting one is an error that ends a login shell.
  readOnly = [
    "BASHOPTS"
    "BASH_VERSINFO"
    "EUID"
    "PPID"
    "SHELLOPTS"
    "UID"
  ];

  # An assignment for sh and its kin.
  sh =
    variable: value:
    "export ${variable}=\"${
      render {
        text = escape [
          "\\"
          "\""
          "`"
          "$"
        ];
        expansion = p: p.text;
      } value
    }\"\n";

  # A line of environment.d(5), where a `$` is doubled, and nothing else than variables is expanded. systemd makes an `\n`
  # of a newline: null for a value with control characters.
  environmentD =
    let
      text =
        t:
        escape [
          "\\"
          "\""
          "`"
        ] (lib.replaceStrings [ "$" ] [ "$$" ] t);
    in
    variable: value:
    if match "[^[:cntrl:]]*" value == null then
      null
    else
      "${variable}=\"${
        render {
          inherit text;
          expansion =
            p:
            if p.isDollar then
              "$$"
            else if p.isPlain || match ".*:[-+].*" p.text != null && p.isFallback then
              p.text
            else
              text p.text;
        } value
      }\"\n";

  # A line of pam_env.conf(5). It can hold neither quotes nor backslashes, comments, newlines and what only a shell
  # expands: null then.
  pamEnv =
    let
      items = {
        HOME = "@{HOME}";
        USER = "@{PAM_USER}";
      };
      text = escape [
        "$"
        "@"
      ];
      nameOf = p: lib.head (match "[$][{]?(${name})[}]?" p.text);
      expansion =
        p:
        if p.isPlain then
          items.${nameOf p} or "\${${nameOf p}}"
        else if p.isDollar then
          "\\$"
        else
          text p.text;
      fits =
        value:
        lib.all (p: if lib.isString p then match "[^\"\\\\#\n]*" p != null else p.isPlain || p.isDollar) (
          partsOf value
        );
    in
    variable: value:
    if fits value then
      "${variable} DEFAULT=\"${render { inherit text expansion; } value}\"\n"
    else
      null;
}
