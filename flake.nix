{
  description = "Manage a stock Linux distribution with NixOS modules: plan, switch, undo";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      forEachSystem = f: lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});

      api = import ./. {
        inherit nixpkgs;
        # A flake is pure: nothing of this machine, so that the target's system builds with nixpkgs's busybox.
        system = null;
        busybox = system: nixpkgs.legacyPackages.${system}.busybox;
        activator = system: self.packages.${system}.default;
      };

      package =
        pkgs:
        pkgs.rustPlatform.buildRustPackage {
          pname = "system-manager";
          inherit (api) version;
          src = lib.cleanSource ./.;
          cargoLock.lockFile = ./Cargo.lock;
          # The other tests want a Nix, a root of their own or machines: see CONTRIBUTING.md.
          cargoTestFlags = [ "--lib" ];
          meta = {
            description = "Manages a stock Linux distribution with NixOS modules";
            license = lib.licenses.mit;
            mainProgram = "system-manager";
            platforms = lib.platforms.linux;
          };
        };

      # Each example, as a host of a system.
      example =
        system: file:
        api.lib.makeSystemConfig {
          name = lib.removeSuffix ".nix" (baseNameOf file);
          modules = [
            file
            { nixpkgs.hostPlatform = system; }
          ];
        };
      examples = lib.filterAttrs (name: _type: lib.hasSuffix ".nix" name) (builtins.readDir ./examples);
    in
    {
      lib = api.lib;

      packages = forEachSystem (pkgs: rec {
        system-manager = package pkgs;
        default = system-manager;
      });

      # The same configuration on NixOS: the options that only system-manager has.
      nixosModules.default = ./nixos-compat/nixos.nix;

      overlays.default = final: _prev: { system-manager = package final; };

      checks = lib.genAttrs systems (
        system:
        lib.mapAttrs' (
          name: _type:
          lib.nameValuePair "example-${lib.removeSuffix ".nix" name}" (
            example system (./examples + "/${name}")
          )
        ) examples
      );

      templates.default = {
        path = ./examples/flake;
        description = "A host that system-manager manages";
      };
    };
}
