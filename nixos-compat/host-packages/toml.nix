# Renders a value as TOML: https://toml.io/en/v1.0.0
{ lib }:
let
  inherit (builtins) isAttrs isList toJSON;

  key = k: if builtins.match "[A-Za-z0-9_-]+" k != null then k else toJSON k;
  path = keys: lib.concatMapStringsSep "." key keys;
  present = lib.filterAttrs (_name: v: v != null);

  # JSON's strings and numbers are TOML's as well; tables inside a line are not.
  inline =
    v:
    if isList v then
      "[${lib.concatMapStringsSep ", " inline v}]"
    else if isAttrs v && !(v ? outPath) then
      "{ ${lib.concatStringsSep ", " (lib.mapAttrsToList (k: x: "${key k} = ${inline x}") (present v))} }"
    else if v == null then
      throw "TOML has no null, which a list holds here"
    else
      toJSON v;

  isTable = v: isAttrs v && !(v ? outPath);
  isTables = v: isList v && v != [ ] && lib.all isTable v;

  # The plain keys of a table come before its tables, or they would belong to the last of them.
  table =
    at: set:
    let
      all = present set;
      plain = lib.filterAttrs (_name: v: !(isTable v || isTables v)) all;
      tables = lib.filterAttrs (_name: isTable) all;
      arrays = lib.filterAttrs (_name: isTables) all;
      lines = lib.mapAttrsToList (k: v: "${key k} = ${inline v}\n") plain;
      header = lib.optional (at != [ ] && (plain != { } || all == { })) "\n[${path at}]\n";
    in
    lib.concatStrings (header ++ lines ++ rest at tables arrays);

  rest =
    at: tables: arrays:
    lib.mapAttrsToList (k: table (at ++ [ k ])) tables
    ++ lib.concatLists (lib.mapAttrsToList (k: map (element (at ++ [ k ]))) arrays);

  element =
    at: set:
    let
      all = present set;
      plain = lib.filterAttrs (_name: v: !(isTable v || isTables v)) all;
    in
    lib.concatStrings (
      [ "\n[[${path at}]]\n" ]
      ++ lib.mapAttrsToList (k: v: "${key k} = ${inline v}\n") plain
      ++ rest at (lib.filterAttrs (_name: isTable) all) (lib.filterAttrs (_name: isTables) all)
    );
in
table [ ]
