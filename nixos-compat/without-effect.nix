# Judges what the modules set: whether anything in force acts on it.
{
  lib,
  root,
  # Whether a file's declarations are those of a module in force, or not of NixOS at all.
  acts,
  # Whether a file is a module that could be imported to make a setting work.
  isImportable,
  # The module that a file belongs to, when it is a part of one.
  ownerOf,
  # Services that the distribution runs itself.
  provided,
  # Options whose work is done whatever they say.
  done,
  # The files of modules that were taken in by themselves.
  added,
  # All options, and the modules whose definitions count.
  options,
  modules,
}:
let
  inherit
    (import ./settings.nix {
      inherit lib;
      isExtended = option: lib.any acts option.declarations && !(lib.all acts option.declarations);
    })
    discharge
    settingsOf
    ;
  settings = settingsOf { inherit options modules; };
  dotted = lib.concatStringsSep ".";

  filesOf = s: map toString s.option.declarations;
  # A condition that is false, or an empty set or list, sets nothing.
  saysSomething = value: value != [ ] && !(builtins.isAttrs value && builtins.attrNames value == [ ]);
  unheard = lib.filter (
    s:
    s.option != null
    # What it sets instead is judged by itself.
    && !(s.option ? leadsTo)
    && !(lib.any acts (filesOf s))
    && !(isOfModule s && isOff s.path options)
  ) settings;
  # What modules set of a service that is off is never looked at on NixOS, and need not have a value.
  isOfModule = s: lib.hasPrefix "${root}/" s.file;
  isOff =
    path: tree:
    path != [ ]
    && !(lib.isOption tree)
    && (
      # What an old name leads to need not be there.
      lib.isOption (tree.enable or null) && !(tree.enable ? leadsTo) && tree.enable.value or null == false
      || isOff (lib.tail path) (tree.${lib.head path} or { })
    );
  isHeld = s: lib.any saysSomething (discharge s.value);
  idle = lib.filter isHeld unheard;

  byOption = removeAttrs (lib.groupBy (s: dotted s.path) idle) done;

  # Services that the distribution runs are not to be set up a second time.
  isProvided = name: lib.any (p: name == p || lib.hasPrefix "${p}." name) provided;
  modulesFor = settings: lib.filter isImportable (map ownerOf (lib.concatMap filesOf settings));
  modulesOf = name: modulesFor byOption.${name};
  isActionable = name: settings: !(isProvided name) && modulesFor settings != [ ];
  actionable = lib.filter (name: isActionable name byOption.${name}) (builtins.attrNames byOption);

  # A service that is switched on, while the module that would set it up is not there.
  isSwitch = s: lib.last s.path == "enable";
  isOn = lib.any (s: s.isTrue);
  enabled = lib.filter (
    name: isSwitch (lib.head byOption.${name}) && isOn byOption.${name}
  ) actionable;
  # Switches come first, and nothing else is looked at before their modules are there: what is set besides may well
  # be made from what these set.
  switchesOn =
    let
      isWanted = name: s: isOn s && isActionable name s && lib.any isHeld s;
    in
    builtins.attrValues (
      lib.filterAttrs isWanted (lib.groupBy (s: dotted s.path) (lib.filter isSwitch unheard))
    );
  # What is set besides may be as vital, such as the pools of `services.phpfpm`.
  further = lib.filter (name: !(isSwitch (lib.head byOption.${name}))) actionable;
  short = file: lib.removeSuffix "/default.nix" (lib.removePrefix "${root}/" file);
  definedIn = name: lib.unique (map (s: s.file) byOption.${name});
  # The modules for settings of options, without those that were taken in already.
  newFor =
    settings:
    lib.subtractLists added (lib.unique (lib.concatMap (s: lib.take 1 (modulesFor s)) settings));

  # Services that are switched on without their module.
  missing = name: {
    assertion = false;
    message = ''
      `${name}` is set in ${
        lib.concatMapStringsSep ", " (f: "`${f}`") (definedIn name)
      }, but the module that acts on it is not imported.
        hint: add "''${modulesPath}/${short (lib.head (modulesOf name))}" to `imports`, or remove `nixos-compat.autoImport = false`'';
  };
in
{
  # The modules that would act on what is set. More may be wanted once these are there.
  wanted =
    let
      forSwitches = newFor switchesOn;
    in
    if forSwitches != [ ] then forSwitches else newFor (map (name: byOption.${name}) further);

  # Puts what was found where the user sees it.
  module =
    { config, ... }:
    {
      system-manager.noEffect = map (option: {
        inherit option;
        definedIn = definedIn option;
      }) (builtins.attrNames byOption);

      assertions = lib.optionals (!config.nixos-compat.autoImport) (map missing enabled);
    };
}
