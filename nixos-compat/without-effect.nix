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
  idle = lib.filter (
    s:
    s.option != null
    # What it sets instead is judged by itself.
    && !(s.option ? leadsTo)
    && !(lib.any acts (filesOf s))
    && lib.any saysSomething (discharge s.value)
  ) settings;

  byOption = removeAttrs (lib.groupBy (s: dotted s.path) idle) done;

  # Services that the distribution runs are not to be set up a second time.
  isProvided = name: lib.any (p: name == p || lib.hasPrefix "${p}." name) provided;
  modulesOf = name: lib.filter isImportable (map ownerOf (lib.concatMap filesOf byOption.${name}));
  actionable = lib.filter (name: !(isProvided name) && modulesOf name != [ ]) (
    builtins.attrNames byOption
  );

  # A service that is switched on, while the module that would set it up is not there.
  isSwitch = name: lib.last (lib.head byOption.${name}).path == "enable";
  isOn = name: lib.any (s: s.isTrue) byOption.${name};
  enabled = lib.filter (name: isSwitch name && isOn name) actionable;
  # What is set besides may be as vital, such as the pools of `services.phpfpm`.
  wanted = lib.filter (name: !(isSwitch name) || isOn name) actionable;
  short = file: lib.removeSuffix "/default.nix" (lib.removePrefix "${root}/" file);
  definedIn = name: lib.unique (map (s: s.file) byOption.${name});

  # Services that are switched on without their module.
  missing = name: {
    assertion = false;
    message = ''
      `${name}` is set in ${
        lib.concatMapStringsSep ", " (f: "`${f}`") (definedIn name)
      }, but the module that acts on it is not imported.
        hint: add "''${modulesPath}/${short (lib.head (modulesOf name))}" to `imports`, or do without `nixos-compat.autoImport = false`'';
  };
in
{
  # The modules that would act on what is set.
  wanted = lib.unique (lib.concatMap (name: lib.take 1 (modulesOf name)) wanted);

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
