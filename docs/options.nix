# Renders docs/options.md from the modules:
#   nix-instantiate --eval --strict --json docs/options.nix
# A test compares the two; `UPDATE_EXPECT=1 cargo test --test suite eval::` writes the file anew.
let
  lib = import ../modules/lib;
  api = import ../. { system = "x86_64-linux"; };
  inherit (api.evaluate { modules = [ ]; }) options;

  root = toString ../.;
  all = lib.filter (o: o.visible && !o.internal) (lib.optionAttrSetToDocList options);

  # Options that units of every type have are shown once, for services.
  unitOptions = import ../modules/systemd/options.nix { inherit lib; };
  common = builtins.attrNames (unitOptions.shared // unitOptions.common);
  otherUnits = [
    "automounts"
    "mounts"
    "paths"
    "slices"
    "sockets"
    "targets"
    "timers"
    "units"
  ];
  isRepeated =
    o:
    let
      at = lib.elemAt o.loc;
    in
    lib.length o.loc > 3
    && at 0 == "systemd"
    && (at 1 == "user" || lib.elem (at 1) otherUnits && lib.elem (lib.last o.loc) common);
  shown = lib.filter (o: !(isRepeated o) && lib.head o.loc != "_module") all;

  # A value in a line, or in a block if it is longer.
  value =
    label: v:
    let
      text = lib.removeSuffix "\n" v.text;
    in
    if v._type == "literalMD" then
      "${label}: ${text}\n\n"
    else if lib.hasInfix "\n" text then
      "${label}:\n\n```nix\n${text}\n```\n\n"
    else
      "${label}: `${text}`\n\n";

  declaration = d: "`${lib.removePrefix "${root}/" (toString d)}`";

  entry =
    o:
    "## `${o.name}`\n\n${lib.removeSuffix "\n" o.description}\n\nType: ${o.type}\n\n"
    + lib.optionalString (o ? default) (value "Default" o.default)
    + lib.optionalString (o ? example) (value "Example" o.example)
    + "Declared in ${lib.concatMapStringsSep ", " declaration o.declarations}\n";
in
''
  # Options

  All options that this project declares. Those that NixOS has, too, have the same names, types and defaults there.
  This file is generated from the modules.

  `systemd.user` has the same options as `systemd`, for the service managers of users. Besides their own options, sockets,
  timers, paths, targets, slices, mounts and automounts have those options of services that are not about processes, such
  as `after`, `wantedBy` and `unitConfig`.

''
+ lib.concatMapStringsSep "\n" entry shown
