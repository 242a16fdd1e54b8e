# The types of unit options.
{ lib }:
let
  inherit (lib) types;
in
rec {
  suffixes = [
    "service"
    "socket"
    "device"
    "mount"
    "automount"
    "swap"
    "target"
    "path"
    "timer"
    "scope"
    "slice"
  ];

  # The name of a unit, with its suffix.
  unitName = types.strMatching "[a-zA-Z0-9@%:_.\\\\-]+[.](${lib.concatStringsSep "|" suffixes})" // {
    description = "systemd unit name";
  };

  # The value of one key of a unit file. A list makes a key that is repeated, to which other definitions add; without
  # a list, it may be defined only once, or equally.
  unitOption = lib.mkOptionType {
    name = "systemd option";
    description = "systemd option";
    merge =
      loc: defs:
      if lib.any (def: builtins.isList def.value) defs then
        lib.concatMap (def: lib.toList def.value) defs
      else
        lib.mergeEqualOption loc defs;
  };

  # Environment variables; `null` takes one away.
  variables = types.attrsOf (
    types.nullOr (
      types.oneOf [
        types.str
        types.path
        types.package
      ]
    )
  );

  # A section of a unit file.
  section = types.attrsOf unitOption;
}
