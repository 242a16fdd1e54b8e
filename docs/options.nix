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

  Every option that the core modules declare, with NixOS's names, types and defaults where NixOS has the
  option. This file is generated from `modules/`.

  The options of `systemd.user` are those of `systemd`, for the users' service managers. Sockets, timers, paths,
  targets, slices, mounts and automounts have, besides their own options, those of a service that are not about its
  processes, such as `after`, `wantedBy` and `unitConfig`.

''
+ lib.concatMapStringsSep "\n" entry shown
