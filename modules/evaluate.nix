# Evaluates modules to a toplevel.
{
  lib,
  nixpkgs,
  system,
  busybox,
  activator,
  shell,
  version,
}:
let
  build = import ./build.nix {
    inherit
      lib
      system
      busybox
      shell
      ;
  };
  hostPackage = import ../nixos-compat/host-packages/host-package.nix { inherit lib build; };
  hostPackages = import ../nixos-compat/host-packages { inherit lib build hostPackage; };

  evaluate =
    {
      modules,
      name ? "default",
      pkgs ? null,
      specialArgs ? { },
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

      systemManager = {
        inherit
          nixpkgs
          system
          version
          activator
          hostPackage
          hostPackages
          variant
          ;
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
    in
    lib.evalModules {
      modules = import ./. ++ [ given ] ++ modules;
      specialArgs = {
        inherit build systemManager;
        modulesPath =
          if nixpkgs != null then
            toString (nixpkgs + "/nixos/modules")
          else
            throw "`modulesPath` needs a nixpkgs\nhint: pass --nixpkgs PATH, or set NIX_PATH";
      }
      // specialArgs;
    };
in
evaluate
