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
        # With musl, and static: a toplevel's activator uses no C library of its target.
        pkgs.pkgsStatic.rustPlatform.buildRustPackage {
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
      exampleChecks =
        system:
        lib.mapAttrs' (
          name: _type:
          lib.nameValuePair "example-${lib.removeSuffix ".nix" name}" (
            example system (./examples + "/${name}")
          )
        ) examples;

      # The stock images are for this system.
      machineSystem = "x86_64-linux";
      machinePkgs = nixpkgs.legacyPackages.${machineSystem};
      machines = import ./vm-tests/checks.nix {
        inherit (machinePkgs) runCommand closureInfo;
        program = self.packages.${machineSystem}.default;
        busybox = "${machinePkgs.busybox}/bin/busybox";
        tools = [
          machinePkgs.cdrkit
          machinePkgs.nix
          machinePkgs.qemu_kvm
          machinePkgs.util-linux
          (machinePkgs.python3.withPackages (python: [
            python.pytest
            python.pytest-timeout
            python.pytest-xdist
          ]))
        ];
      };
      images = lib.mapAttrs (_distro: row: machinePkgs.fetchurl { inherit (row) url sha256; }) (
        lib.importJSON ./vm-tests/images/distros.json
      );

      # A derivation that runs a test in NixOS's form on a stock image; see docs/testing.md.
      runNixOSTest =
        {
          # The test: a file, or what such a file has.
          test,
          # The distribution of its machines, such as `ubuntu-24.04`.
          distro,
          # Another image of it.
          image ? images.${distro},
          # Whose packages the nodes use: "nixpkgs", or "host" for programs that the image has.
          packages ? "nixpkgs",
          # Whether the test knows nothing of a distribution, as nixpkgs's own.
          forNixos ? false,
        }:
        let
          built = import ./vm-tests/nixos_test {
            system-manager = api;
            inherit nixpkgs packages forNixos;
            file = test;
            distribution = distro;
            hostPlatform = machineSystem;
          };
        in
        machines.nixosTest {
          inherit built distro image;
          name = lib.removePrefix "test-" built.name;
        };
    in
    {
      lib = api.lib // {
        inherit runNixOSTest;
      };

      packages = forEachSystem (pkgs: rec {
        system-manager = package pkgs;
        default = system-manager;
      });

      # The same configuration on NixOS: the options that only system-manager has.
      nixosModules.default = ./nixos-compat/nixos.nix;

      overlays.default = final: _prev: { system-manager = package final; };

      # The machine tests are `machines-ubuntu-24-04` and so on: for each stock image, all tests that run on one.
      checks = lib.genAttrs systems exampleChecks // {
        ${machineSystem} =
          exampleChecks machineSystem
          // lib.mapAttrs' (
            distro: image:
            lib.nameValuePair "machines-${lib.replaceStrings [ "." ] [ "-" ] distro}" (
              machines.tests { inherit distro image; }
            )
          ) images;
      };

      templates.default = {
        path = ./examples/flake;
        description = "A host that system-manager manages";
      };
    };
}
