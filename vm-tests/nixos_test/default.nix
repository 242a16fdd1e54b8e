# Evaluates a test in NixOS's form to what the driver runs: the machines' toplevels, and the script with its closure.
{
  # The Nix API of the program, see `default.nix` of the project.
  system-manager,
  # A nixpkgs, or null.
  nixpkgs,
  # The test: a file (a path, or a text that is an absolute one), or what such a file has.
  file,
  # Which test of the file, dotted, when it has several.
  test ? null,
  # The distribution of the machines, as `nixos-compat.distribution` names it.
  distribution,
  # Whose packages the nodes use: "host" for the distribution's, "nixpkgs" for those of the nixpkgs.
  packages,
  # Whether the test is for NixOS alone, see node.nix.
  forNixos ? false,
  # The system of the machines, where the evaluation is pure and has none.
  hostPlatform ? null,
  # Whether each part of a command counts in the script, as in NixOS's driver since 2021.
  strict ? true,
}:
let
  lib =
    if nixpkgs == null then
      import ../../modules/lib
    else
      import ../../nixos-compat/library.nix { inherit nixpkgs; };

  # A nixpkgs may be a library alone, which declares no options.
  hasModules = nixpkgs != null && builtins.pathExists (nixpkgs + "/nixos/modules/module-list.nix");

  # Tests of the years in which NixOS's machines had only IPv4 count on it.
  hasIPv6 =
    let
      networks = nixpkgs + "/nixos/lib/testing/network.nix";
    in
    !hasModules || builtins.pathExists networks && lib.hasInfix "2001:db8" (builtins.readFile networks);

  nodeFor =
    hasNixpkgs:
    import ./node.nix {
      inherit
        distribution
        packages
        hasNixpkgs
        forNixos
        hostPlatform
        ;
      inherit hasIPv6;
      declaresInterfaces = !hasModules;
    };
  node = nodeFor hasModules;

  # What the test itself is written with is what its nodes have. No option of NixOS is needed to know that.
  inherit
    ((system-manager.lib.evalSystemConfig {
      name = "test";
      modules = [
        (nodeFor false)
        { _module.check = false; }
      ];
    }).config.system.build.testing
    )
    build
    pkgs
    ;

  load = import ./load.nix { inherit lib pkgs; };

  evaluated =
    (lib.evalModules {
      modules = [
        ./options.nix
        ./machines.nix
        {
          _file = if lib.isStringLike file then toString file else "the test";
          imports = [ (load { inherit file test; }) ];
        }
      ];
      specialArgs = {
        inherit pkgs system-manager node;
        hostPkgs = pkgs;
      };
    }).config;
  inherit (evaluated) driver;
in
build.run {
  name = "test-${evaluated.name}";
  env = {
    configuration = builtins.toJSON (
      removeAttrs driver [ "testScript" ]
      // {
        inherit strict;
        for_nixos = forNixos;
      }
    );
    inherit (driver) testScript;
  };
  passAsFile = [
    "configuration"
    "testScript"
  ];
  script = ''
    mkdir "$out"
    cp "$configurationPath" "$out/test.json"
    cp "$testScriptPath" "$out/test-script.py"
  '';
}
