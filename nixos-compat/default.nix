# The layer in which unmodified NixOS modules run on a distribution that is not NixOS.
#
# All modules of a nixpkgs give their declarations, so that each option that a module reads or sets exists.
# Definitions count from the modules that the host imports, a few that these take for granted, and ours.
{
  lib,
  nixpkgs,
  # Our modules, which every evaluation has.
  core,
  specialArgs,
}:
let
  root = builtins.unsafeDiscardStringContext (toString (nixpkgs + "/nixos/modules"));
  moduleFile = import ./module-file.nix;
  importedBy = import ./imported.nix { inherit lib root; };
  below = map (path: "${root}/${path}");
  policy =
    let
      policy = import ./policy.nix;
    in
    policy
    // {
      importable = below policy.importable;
      infrastructure = below policy.infrastructure;
      replaced = below policy.replaced;
    };

  setOf = names: lib.genAttrs names (_name: true);

  # Besides files, the list has a module that is written into it.
  entries = lib.partition (m: builtins.isPath m || builtins.isString m) (
    import (/. + "${root}/module-list.nix")
  );
  listed = map moduleFile entries.right;
  isListed = setOf listed;
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
  # Importing one that ours replace would not get it into force, however often it is done.
  isImportable =
    file:
    lib.any (prefix: lib.hasPrefix prefix file) policy.importable && !(lib.elem file policy.replaced);

  class = "nixos";
  # What NixOS's modules ask for, besides what a host is given. All of it is there for `imports`, too.
  argumentsFor =
    evaluation:
    {
      utils =
        let
          utils = import (/. + "${root}/../lib/utils.nix");
        in
        utils (
          builtins.intersectAttrs (lib.functionArgs utils) {
            inherit lib;
            inherit (evaluation) config;
            inherit (evaluation._module.args) pkgs;
          }
        );
      _class = class;
      _prefix = [ ];
    }
    // specialArgs;
  evalModules =
    modules:
    let
      evaluation = lib.evalModules {
        inherit class modules;
        specialArgs = argumentsFor evaluation;
      };
    in
    evaluation;

  ours = (evalModules core).options;

  # The arguments that may be used in `imports`.
  importArgs =
    let
      given = argumentsFor {
        config = throw "`config` cannot be used in `imports`";
        _module.args.pkgs = throw "`pkgs` cannot be used in `imports`";
      };
    in
    {
      inherit lib;
      specialArgs = given;
      config = throw "`config` cannot be used in `imports`";
      options = throw "`options` cannot be used in `imports`";
    }
    // given;

  # Evaluates with some NixOS modules in force, besides those that `modules` import.
  evaluateWith =
    modules: added:
    let
      imported = importedBy { args = importArgs; } modules;
      disabled = setOf (lib.concatMap (m: m.disabled) imported);
      inTree = lib.filter (m: m.inTree && !(disabled ? ${m.key})) (
        imported ++ importedBy { args = importArgs; } added
      );
      chosen = lib.unique (map (m: m.key) inTree);
      inForce = removeAttrs (setOf (chosen ++ policy.infrastructure)) policy.replaced;
      usesModules = chosen != [ ];
      unlisted = lib.filter (f: !(isListed ? ${f})) chosen;

      # Imports of a folder have another key than our import of its `default.nix`, which replaces them.
      folders = lib.filter (m: m.inTree && m.written != m.key) imported;
      # What a module of the host's declares, when that can be told before anything is evaluated.
      shape = tree: lib.mapAttrs (_name: o: if lib.isOption o then null else shape o) tree;
      hosts = lib.concatMap (
        m:
        let
          known = builtins.tryEval (builtins.deepSeq (shape m.options) m.options);
        in
        lib.optional (!m.ofTree && known.success && known.value != { }) known.value
      ) imported;
      declarations = import ./declarations.nix {
        inherit
          lib
          ours
          hosts
          inForce
          ;
      } (listed ++ unlisted ++ entries.wrong);
      # A host may have another in its place.
      isInTree = name: isListed ? "${root}/${name}" && !(disabled ? "${root}/${name}");

      evaluation = evalModules (
        core
        ++ [
          # Before the host's own, so that of a file that is in both, ours is the one that counts.
          declarations
          {
            _file = "<unknown-file>";
            imports = modules;
            disabledModules = lib.unique (map (m: /. + m.written) folders);
          }
          (import ./nixos-values.nix {
            inherit (lib.trivial) release;
            isListed = isInTree;
            inherit usesModules;
          })
          ./accounts.nix
          (import ./quirks.nix { isListed = isInTree; })
          withoutEffect.module
        ]
      );

      acts = file: !(lib.hasPrefix "${root}/" (toString file)) || inForce ? ${toString file};
      withoutEffect = import ./without-effect.nix {
        inherit
          lib
          root
          acts
          added
          ownerOf
          isImportable
          ;
        inherit (policy) done provided;
        inherit (evaluation) options;
        # What a module that ours replace sets is not set.
        modules = lib.filter (m: !m.inTree || inForce ? ${m.key}) (
          importedBy {
            args =
              importArgs
              // {
                inherit (evaluation) config options;
                specialArgs = argumentsFor evaluation;
              }
              // argumentsFor evaluation;
            argument = name: evaluation._module.args.${name};
          } (modules ++ lib.filter (f: isListed ? ${f}) policy.infrastructure ++ added)
        );
      };
    in
    {
      inherit evaluation;
      inherit (withoutEffect) wanted;
    };

  # Takes modules in until all that is set has one in force that acts on it.
  evaluate =
    added: modules:
    let
      round = evaluateWith modules added;
    in
    if round.evaluation.config.nixos-compat.autoImport && round.wanted != [ ] then
      evaluate (added ++ round.wanted) modules
    else
      round.evaluation;
in
{
  # Evaluates a host's modules.
  evaluate = evaluate [ ];
}
