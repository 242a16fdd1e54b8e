# Judges what the modules set: whether anything in force acts on it.
{
  lib,
  root,
  # Whether a file's declarations are those of a module in force, or not of NixOS at all.
  acts,
  # Whether a file is a module that could be imported to make a setting work.
  isRelevant,
  # The module that a file belongs to, when it is a part of one.
  ownerOf,
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
    s: s.option != null && !(lib.any acts (filesOf s)) && lib.any saysSomething (discharge s.value)
  ) settings;

  byOption = lib.groupBy (s: dotted s.path) idle;

  # Services that the distribution runs are not to be set up a second time.
  isProvided = name: lib.any (p: name == p || lib.hasPrefix "${p}." name) provided;
  modulesOf = name: lib.filter isRelevant (map ownerOf (lib.concatMap filesOf byOption.${name}));
  actionable = lib.filter (name: !(isProvided name) && modulesOf name != [ ]) (
    builtins.attrNames byOption
  );

  # A service that is switched on, while the module that would set it up is not there.
  isSwitch = name: lib.last (lib.head byOption.${name}).path == "enable";
  isOn = name: (lib.head byOption.${name}).option.value or false == true;
  enabled = lib.filter (name: isSwitch name && isOn name) actionable;
  # What is set besides may be as vital, such as the pools of `services.phpfpm`.
  wanted = lib.filter (name: !(isSwitch name) || isOn name) actionable;
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

  # The modules that would act on what is set.
  wanted = lib.unique (lib.concatMap (name: lib.take 1 (modulesOf name)) wanted);

  # Options that are set and mean nothing here.
  noEffect = lib.mapAttrsToList (option: same: {
    inherit option;
    definedIn = lib.unique (map (s: s.file) same);
  }) byOption;
}
