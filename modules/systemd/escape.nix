# Escapes a path the way `systemd-escape --path` does.
{ lib }:
let
  digits = lib.stringToCharacters "0123456789abcdef";
  plain = lib.stringToCharacters "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:_.";

  # The printable ASCII characters, from the space on.
  printable = lib.stringToCharacters " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";
  hex = n: "\\x${lib.elemAt digits (n / 16)}${lib.elemAt digits (lib.mod n 16)}";
  codes = builtins.listToAttrs (lib.imap0 (i: c: lib.nameValuePair c (hex (i + 32))) printable);

  escapeCharacter =
    c:
    if lib.elem c plain then
      c
    else
      codes.${c} or (throw "the path has a character that cannot be part of a unit name here");
  escapeText = text: lib.concatMapStrings escapeCharacter (lib.stringToCharacters text);
in
path:
let
  components = lib.filter (p: p != "" && p != ".") (lib.splitString "/" (toString path));
  escaped = lib.concatMapStringsSep "-" escapeText components;
in
if components == [ ] then
  "-"
else if lib.hasPrefix "." escaped then
  "\\x2e${lib.removePrefix "." escaped}"
else
  escaped
