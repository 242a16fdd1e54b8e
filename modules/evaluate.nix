# Evaluates modules to a toplevel.
{
  lib,
  nixpkgs,
  # The system that builds, or null for the target's own.
  system,
  # Functions that give, for a system, the folder of a busybox, packages with bash and its like or null, and the
  # activator in the store.
  busyboxFor,
  buildToolsFor,
  activatorFor,
  shell,
  version,
}:
let
  modulesPath =
    if nixpkgs != null then
      toString (nixpkgs + "/nixos/modules")
    else
      throw "`modulesPath` needs a nixpkgs\nhint: pass --nixpkgs PATH, or set NIX_PATH";

  hasModules = nixpkgs != null && builtins.pathExists (nixpkgs + "/nixos/modules/module-list.nix");

  evaluateAlone =
    {
      core,
      modules,
      specialArgs,
    }:
    lib.evalModules {
      modules = core ++ modules;
      class = "nixos";
      inherit specialArgs;
    };

  # Whether a host wants the options of NixOS. Those that it sets are not there yet.
  wantsNixos =
    args:
    (evaluateAlone (args // { core = args.core ++ [ { _module.check = lib.mkOverride 10 false; } ]; }))
    .config.nixos-compat.enable;

  # With NixOS's modules at hand, they can be imported, and their options set.
  evaluateModules =
    { modules, ... }@args:
    if hasModules && wantsNixos args then
      (import ../nixos-compat {
        inherit lib nixpkgs;
        inherit (args) core specialArgs;
      }).evaluate
        modules
    else
      evaluateAlone args;

  evaluate =
    {
      modules,
      name ? "default",
      pkgs ? null,
      specialArgs ? { },
      # The same, by the name that numtide/system-manager gives it.
      extraSpecialArgs ? { },
      overlays ? [ ],
    }@args:
    let
      variant =
        {
          name,
          inheritParentConfig,
          modules,
        }:
        evaluate (
          args
          // {
            name = "${args.name or "default"}+${name}";
            modules = (if inheritParentConfig then args.modules else [ ]) ++ modules;
          }
        );

      target = evaluation.config.nixpkgs.hostPlatform.system;
      builder = if system != null then system else target;

      busybox = busyboxFor builder;
      build = import ./build.nix {
        inherit lib shell busybox;
        system = builder;
        tools = import ./build-tools.nix {
          inherit busybox;
          system = builder;
          packages = buildToolsFor builder;
        };
      };
      hostPackage = import ../nixos-compat/host-packages/host-package.nix { inherit lib build; };
      hostPackages = import ../nixos-compat/host-packages { inherit lib build hostPackage; };

      systemManager = {
        activator = activatorFor target;
        inherit
          nixpkgs
          system
          version
          hostPackage
          hostPackages
          variant
          ;
      };

      # The program as a package, for modules that call it.
      package =
        if systemManager.activator == null then
          throw "the argument `system-manager` is the program, and there is none\nhint: pass `activator` to default.nix"
        else
          build.run {
            name = "system-manager-${version}";
            env.program = systemManager.activator;
            script = ''
              mkdir -p "$out/bin"
              ln -s "$program" "$out/bin/system-manager"
            '';
          };

      given = {
        _file = "the arguments of makeSystemConfig";
        config = {
          system-manager.name = lib.mkDefault name;
          nixpkgs = lib.optionalAttrs (pkgs != null) { pkgs = lib.mkDefault pkgs; } // {
            inherit overlays;
          };
        };
      };

      evaluation = evaluateModules {
        inherit modules;
        core = import ./. ++ import ../nixos-compat/modules ++ [ given ];
        specialArgs = {
          inherit build systemManager modulesPath;
          nixosModulesPath = modulesPath;
          system-manager = package;
        }
        // specialArgs
        // extraSpecialArgs;
      };
    in
    evaluation;
in
evaluate
