# Rewrites the lists of units in definitions of NixOS's modules as systemd understands them: it splits them at spaces,
# and ignores what is no name of a unit. Old modules have some of both.
{ lib }:
let
  inherit (builtins)
    intersectAttrs
    isAttrs
    isList
    isString
    mapAttrs
    ;

  setOf = names: lib.genAttrs names (_name: true);
  kinds = setOf [
    "automounts"
    "mounts"
    "paths"
    "services"
    "slices"
    "sockets"
    "targets"
    "timers"
  ];
  lists = setOf [
    "after"
    "before"
    "bindsTo"
    "conflicts"
    "onFailure"
    "partOf"
    "requiredBy"
    "requires"
    "requisite"
    "wantedBy"
    "wants"
  ];

  isUnit =
    name:
    builtins.match ".+[.](automount|device|mount|path|scope|service|slice|socket|swap|target|timer)" name
    != null;

  # Changes what is beneath conditions and priorities.
  beneath =
    f: value:
    let
      type = if isAttrs value then value._type or "" else "";
    in
    if type == "merge" then
      value // { contents = map (beneath f) value.contents; }
    else if type != "" && value ? content then
      value // { content = beneath f value.content; }
    else
      f value;

  # Changes those attributes of a set that are in another one.
  those =
    names: f:
    beneath (set: if isAttrs set then set // mapAttrs (_name: f) (intersectAttrs names set) else set);
  each = f: beneath (set: if isAttrs set then mapAttrs (_name: f) set else set);

  words = text: lib.filter (word: isString word && isUnit word) (builtins.split "[ \n\t]+" text);
  names = beneath (
    list: if isList list then lib.concatMap (x: if isString x then words x else [ x ]) list else list
  );
in
those { systemd = true; } (those kinds (each (those lists names)))
