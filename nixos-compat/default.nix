# The layer in which unmodified NixOS modules run on a distribution that is not NixOS.
#
# All modules of a nixpkgs give their declarations, so that each option that a module reads or sets exists.
# Definitions count from the modules that the host imports, a few that these take for granted, and ours.
{
  lib,
  nixpkgs,
  # Our modules, which every evaluation has.
  core,
  # An argument of `evalModules`, in a set, or nothing.
  class,
  specialArgs,
}:
let
  inherit (builtins) listToAttrs;

  root = builtins.unsafeDiscardStringContext (toString (nixpkgs + "/nixos/modules"));
  moduleFile = import ./module-file.nix;
  collect = import ./collect.nix { inherit lib root; };
  inherit (import ./definitions.nix { inherit lib; }) settings;
  borrowed = file: lib.hasPrefix "${root}/" (toString file);

  evalModules = modules: lib.evalModules ({ inherit modules specialArgs; } // class);

  ours = (evalModules core).options;
  borrow = import ./borrow.nix { inherit lib ours; };

  # Besides files, the list has a module that is written into it.
  entries = lib.partition (m: builtins.isPath m || builtins.isString m) (
    import (/. + "${root}/module-list.nix")
  );
  listed = map moduleFile entries.right;
  isListed = setOf listed;
  isInTree = name: isListed ? "${root}/${name}";
  # Options may be in a file of their own, which a `default.nix` beside or above it imports.
  ownerOf =
    file:
    let
      folder = dirOf file;
      entry = "${folder}/default.nix";
    in
    if isListed ? ${file} || folder == root || !(lib.hasPrefix "${root}/" file) then
      file
    else if isListed ? ${entry} then
      entry
    else
      let
        above = ownerOf folder;
      in
      if above == folder then file else above;
  infrastructure = lib.filter (f: isListed ? ${f}) (
    map (f: "${root}/${f}") (import ./infrastructure.nix)
  );

  setOf =
    names:
    listToAttrs (
      map (name: {
        inherit name;
        value = true;
      }) names
    );

  replacedByOurs = map (f: "${root}/${f}") (import ./replaced.nix);

  # Whether users of this nixpkgs have `nogroup` by default, as its own declaration says.
  usersAreOld =
    let
      file = "${root}/config/users-groups.nix";
      declare = import (/. + file);
      args = lib.mapAttrs (
        name: _optional: importArgs.${name} or (throw "`${name}` has no part in declaring users")
      ) (lib.functionArgs declare);
      inherit ((declare args).options.users) users;
    in
    isListed ? ${file} && (users.type.getSubOptions [ ]).group.default or "" == "nogroup";

  # The arguments that may be used in `imports`.
  importArgs = {
    inherit lib specialArgs;
    config = throw "`config` cannot be used in `imports`";
    options = throw "`options` cannot be used in `imports`";
  }
  // specialArgs;

  collectIn =
    evaluation:
    collect {
      args = importArgs // {
        inherit (evaluation) config options;
      };
      argument = name: evaluation._module.args.${name};
    };

  # Evaluates with some NixOS modules in force, besides those that `modules` import.
  evaluateWith =
    modules: added:
    let
      imported = collect { args = importArgs; } modules;
      disabled = setOf (lib.concatMap (m: m.disabled) imported);
      inTree = lib.filter (m: m.inTree && !(disabled ? ${m.key})) (
        imported ++ collect { args = importArgs; } added
      );
      chosen = lib.unique (map (m: m.key) inTree);
      inForce = removeAttrs (setOf (chosen ++ infrastructure)) replacedByOurs;
      unlisted = lib.filter (f: !(isListed ? ${f})) chosen;

      # Imports of a folder have another key than our import of its `default.nix`, which replaces them.
      folders = lib.filter (m: m.inTree && m.written != m.key) imported;
      withoutFolders.disabledModules = lib.unique (map (m: /. + m.written) folders);

      evaluation = evalModules (
        core
        ++ borrow (listed ++ unlisted ++ entries.wrong) inForce
        ++ lib.optional usersAreOld ./old-users.nix
        ++ [
          withoutFolders
          (import ./values.nix {
            inherit (lib.trivial) release;
            isListed = isInTree;
          })
          (import ./quirks.nix { isListed = isInTree; })
          (import ./results.nix { inherit findings; })
        ]
        ++ modules
      );

      acts = file: !(borrowed file) || inForce ? ${toString file};
      findings = import ./findings.nix {
        inherit
          lib
          root
          acts
          ownerOf
          ;
        # One that ours replace would never get into force, however often it is imported.
        isRelevant =
          file:
          (lib.hasPrefix "${root}/services/" file || lib.hasPrefix "${root}/security/acme" file)
          && !(lib.elem file replacedByOurs);
        provided = import ./provided.nix;
        settings =
          (import ./definitions.nix {
            inherit lib;
            isExtended = option: lib.any acts option.declarations && !(lib.all acts option.declarations);
          }).settings
            {
              inherit (evaluation) options;
              modules = collectIn evaluation (modules ++ infrastructure ++ added);
            };
      };
    in
    {
      inherit evaluation findings;
    };

  # Takes modules in until all that is set has one in force that acts on it.
  evaluate =
    modules: added:
    let
      round = evaluateWith modules added;
      inherit (round.findings) wanted;
    in
    if round.evaluation.config.nixos-compat.autoImport && wanted != [ ] then
      evaluate modules (added ++ wanted)
    else
      round.evaluation;

  # Whether modules need the layer: they import a NixOS module, ask for it, are written for NixOS, or set what
  # we do not declare. What a module reads can't be seen, but one that declares a service may read anything.
  isNeeded =
    probe: modules:
    let
      imported = collect { args = importArgs; } modules;
      inherit (probe.config) nixos-compat;
    in
    lib.any (m: m.inTree) imported
    || nixos-compat.enable
    || nixos-compat.autoImport
    || lib.any (m: lib.any (name: nixosNames ? ${name}) m.declares) imported
    || lib.any (s: s.option == null) (settings {
      inherit (probe) options;
      modules = collectIn probe modules;
    });

  # Where NixOS's own options are. A host's own, such as `options.my`, are elsewhere.
  nixosNames = setOf [
    "boot"
    "hardware"
    "networking"
    "programs"
    "security"
    "services"
    "virtualisation"
  ];
in
{
  # Evaluates a host's modules, with the layer where they need it. Without it, they are evaluated once.
  evaluate =
    modules:
    let
      probe = evalModules (core ++ [ { _module.check = lib.mkOverride 10 false; } ] ++ modules);
    in
    if isNeeded probe modules then evaluate modules [ ] else probe;
}
