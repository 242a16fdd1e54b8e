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
      # A Mac can't be managed, but it builds, and looks after other hosts.
      deploySystems = systems ++ [ "aarch64-darwin" ];
      forEachSystem = f: lib.genAttrs deploySystems (system: f nixpkgs.legacyPackages.${system});

      api = import ./. {
        inherit nixpkgs;
        # A flake is pure: nothing of this machine, so that the target's system builds with nixpkgs's busybox.
        system = null;
        busybox = system: nixpkgs.legacyPackages.${system}.busybox;
        buildTools =
          system: with nixpkgs.legacyPackages.${system}; [
            bash
            coreutils
            diffutils
            findutils
            gawk
            gnugrep
            gnused
            gnutar
            gzip
            jq
          ];
        activator = system: self.packages.${system}.default;
      };

      # What the program is made from, so that a change of anything else does not build it anew.
      parts = [
        "Cargo.lock"
        "Cargo.toml"
        "benches"
        "build.rs"
        "default.nix"
        "examples"
        "modules"
        "nixos-compat"
        "src"
      ];
      neededRust = (lib.importTOML ./Cargo.toml).package.rust-version;
      # The newest Rust that a nixpkgs has beside its own, as late releases do: an attribute such as `rust_1_89`.
      newestRust =
        pkgs:
        let
          names = lib.filter (name: lib.match "rust_1_[0-9]+" name != null) (lib.attrNames pkgs);
        in
        lib.last (lib.sort (a: b: lib.versionOlder (versionOf a) (versionOf b)) ([ "" ] ++ names));
      versionOf = name: lib.replaceStrings [ "_" ] [ "." ] (lib.removePrefix "rust_" name);
      package =
        pkgs:
        if !lib.versionOlder (pkgs.rustc.version or neededRust) neededRust then
          buildPackage pkgs (platform: platform.rustPlatform)
        else if !lib.versionOlder (versionOf (newestRust pkgs)) neededRust then
          buildPackage pkgs (platform: platform.${newestRust pkgs}.packages.stable.rustPlatform)
        else
          throw "system-manager is built with Rust ${neededRust} or newer, and this nixpkgs has ${pkgs.rustc.version}: take its package from the flake itself (packages.<system>.default), whose nixpkgs is its own where `inputs.nixpkgs.follows` is left out";
      buildPackage =
        pkgs: rustPlatformOf:
        let
          # With musl, and static: a toplevel's activator uses no C library of its target. A Mac sends none.
          platform = if pkgs.stdenv.hostPlatform.isLinux then pkgs.pkgsStatic else pkgs;
        in
        (rustPlatformOf platform).buildRustPackage {
          pname = "system-manager";
          inherit (api) version;
          src = lib.cleanSourceWith {
            src = ./.;
            name = "system-manager-source";
            filter =
              path: _type:
              lib.elem (lib.head (lib.splitString "/" (lib.removePrefix "${toString ./.}/" path))) parts;
          };
          cargoLock.lockFile = ./Cargo.lock;
          # The other tests want a Nix, a root of their own or machines: see CONTRIBUTING.md.
          cargoTestFlags = [ "--lib" ];
          # They are about what Linux does.
          doCheck = pkgs.stdenv.hostPlatform.isLinux;
          meta = {
            description = "Manages a stock Linux distribution with NixOS modules";
            license = lib.licenses.mit;
            mainProgram = "system-manager";
            platforms = lib.platforms.linux ++ [ "aarch64-darwin" ];
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
      # A template can't know it.
      welcome = "Set `system-manager.url` in flake.nix to the URL that this template is from, unless a package of system-manager is installed.";
    in
    {
      lib = api.lib // {
        inherit runNixOSTest;
      };

      # The program needs no wrapper, and has both names that numtide/system-manager gives its own.
      packages = forEachSystem (pkgs: rec {
        system-manager = package pkgs;
        system-manager-unwrapped = system-manager;
        default = system-manager;
      });

      # The same configuration on NixOS: the options that only system-manager has.
      nixosModules = rec {
        # `nix flake check` of Nix 2.8 takes no path for a module.
        system-manager.imports = [ ./nixos-compat/nixos.nix ];
        default = system-manager;
      };

      overlays.default = final: _prev: rec {
        system-manager = package final;
        system-manager-unwrapped = system-manager;
      };

      formatter = forEachSystem (pkgs: pkgs.nixfmt-rfc-style);

      devShells = forEachSystem (pkgs: {
        default = pkgs.mkShellNoCC {
          packages = [
            pkgs.cargo
            pkgs.clippy
            pkgs.nix
            pkgs.nixfmt-rfc-style
            pkgs.python3
            pkgs.rustc
            pkgs.rustfmt
            pkgs.shellcheck
            pkgs.stdenv.cc
          ];
        };
      });

      # The machine tests are `machines-ubuntu-24-04` and so on: for each stock image, all tests that run on one. They boot
      # machines, so that `nix flake check` leaves them alone: `nix build .#machines-ubuntu-24-04`.
      legacyPackages.${machineSystem} = lib.mapAttrs' (
        distro: image:
        lib.nameValuePair "machines-${lib.replaceStrings [ "." ] [ "-" ] distro}" (
          machines.tests { inherit distro image; }
        )
      ) images;

      checks = lib.genAttrs systems exampleChecks;

      templates = rec {
        standalone = {
          path = ./examples/flake;
          description = "A host that system-manager manages";
          welcomeText = welcome;
        };
        nixos = {
          path = ./examples/flake-nixos;
          description = "One configuration for a host of a distribution and for one of NixOS";
          welcomeText = welcome;
        };
        default = standalone;
      };
    };
}
