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

  # The value of one key of a unit file. Lists make a key that is repeated, and definitions of lists
  # are joined; anything else may be defined only once, or equally.
  unitOption = lib.mkOptionType {
    name = "systemd option";
    description = "systemd option";
    merge =
      loc: defs:
      let
        isList = def: builtins.isList def.value;
      in
      if !lib.any isList defs then
        lib.mergeEqualOption loc defs
      else if lib.all isList defs then
        lib.concatMap (def: def.value) defs
      else
        throw "The option `${lib.showOption loc}' is defined both as a list (a key that is repeated) and as a single value:${lib.options.showDefs defs}";
  };

  # A section of a unit file.
  section = types.attrsOf unitOption;
}
