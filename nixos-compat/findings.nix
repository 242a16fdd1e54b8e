# Judges what the modules set: whether anything in force acts on it.
{
  lib,
  root,
  # Whether a file's declarations are those of a module in force, or not of NixOS at all.
  acts,
  # Whether a file is a module that could be imported to make a setting work.
  isRelevant,
  # Services that the distribution runs itself.
  provided,
  # What the modules set, see definitions.nix.
  settings,
}:
let
  inherit (import ./definitions.nix { inherit lib; }) discharge;
  dotted = lib.concatStringsSep ".";

  filesOf = s: map toString s.option.declarations;
  # A condition that is false, or an empty set or list, sets nothing.
  saysSomething = value: value != [ ] && !(builtins.isAttrs value && builtins.attrNames value == [ ]);
  idle = lib.filter (
    s:
    s.option != null
    && !(lib.any acts (filesOf s))
    && lib.any saysSomething (discharge s.value)
  ) settings;

  byOption = lib.groupBy (s: dotted s.path) idle;

  # A service that is switched on, while the module that would set it up is not there.
  isProvided = name: lib.any (p: name == p || lib.hasPrefix "${p}." name) provided;
  switchedOn =
    same:
    let
      s = lib.head same;
      name = dotted s.path;
    in
    lib.last s.path == "enable"
    && lib.any isRelevant (filesOf s)
    && !(isProvided name)
    && (s.option.value or s.option.default or false) == true;

  enabled = lib.filter (name: switchedOn byOption.${name}) (builtins.attrNames byOption);
  modulesOf = name: lib.filter isRelevant (lib.concatMap filesOf byOption.${name});
  short = file: lib.removeSuffix "/default.nix" (lib.removePrefix "${root}/" file);
in
{
  # Services that are switched on without their module: the option, and the module's file.
  missing = lib.concatMap (
    name:
    map (file: {
      option = name;
      inherit file;
      import = short file;
      definedIn = lib.unique (map (s: s.file) byOption.${name});
    }) (lib.take 1 (modulesOf name))
  ) enabled;

  # Options that are set and mean nothing here.
  noEffect = lib.mapAttrsToList (option: same: {
    inherit option;
    definedIn = lib.unique (map (s: s.file) same);
  }) byOption;
}
