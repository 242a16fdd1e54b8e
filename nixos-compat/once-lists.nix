# Rewrites definitions of the options that were once lists of sets with a `name`, and are sets now.
{ lib }:
let
  paths = [
    [
      "environment"
      "etc"
    ]
    [
      "users"
      "groups"
    ]
    [
      "users"
      "users"
    ]
  ];

  named =
    list:
    lib.listToAttrs (
      lib.imap1 (i: x: lib.nameValuePair (x.name or x.target or "unnamed-${toString i}") x) list
    );

  at =
    path: value:
    let
      type = value._type or "";
      head = lib.head path;
    in
    if builtins.isList value then
      (if path == [ ] then named value else value)
    else if !builtins.isAttrs value then
      value
    else if value ? content && type != "" then
      value // { content = at path value.content; }
    else if type == "merge" then
      value // { contents = map (at path) value.contents; }
    else if path != [ ] && value ? ${head} then
      value // { ${head} = at (lib.tail path) value.${head}; }
    else
      value;
in
config: lib.foldl' (config: path: at path config) config paths
