# Evaluates a test in NixOS's form to what the driver runs: the machines' toplevels, and the script with its closure.
{
  # The Nix API of the program, see `default.nix` of the project.
  system-manager,
  # A nixpkgs, or null.
  nixpkgs,
  # The test's file, absolute.
  file,
  # Which test of the file, dotted, when it has several.
  test ? null,
  # The distribution of the machines, as `nixos-compat.distribution` names it.
  distribution,
  # Whose packages the nodes use: "host" for the distribution's, "nixpkgs" for those of the nixpkgs.
  packages,
  # Whether the test is for NixOS alone, see node.nix.
  forNixos,
}:
let
  lib =
    if nixpkgs == null then
      import ../../modules/lib
    else
      import ../../nixos-compat/library.nix { inherit nixpkgs; };

  # Tests of the years in which NixOS's machines had only IPv4 count on it.
  hasIPv6 =
    let
      networks = nixpkgs + "/nixos/lib/testing/network.nix";
    in
    nixpkgs == null
    || builtins.pathExists networks && lib.hasInfix "2001:db8" (builtins.readFile networks);

  nodeFor =
    hasNixpkgs:
    import ./node.nix {
      inherit
        distribution
        packages
        hasNixpkgs
        forNixos
        ;
      inherit hasIPv6;
      declaresInterfaces = nixpkgs == null;
    };
  node = nodeFor (nixpkgs != null);

  # What the test itself is written with is what its nodes have. No option of NixOS is needed to know that.
  inherit
    ((system-manager.lib.evalSystemConfig {
      name = "test";
      modules = [ (nodeFor false) ];
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
          _file = file;
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
    configuration = builtins.toJSON (removeAttrs driver [ "testScript" ]);
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
