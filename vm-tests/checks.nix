# Machine tests as derivations: a stock image under QEMU inside Nix's sandbox, where there is no root and no network.
#
# They take minutes where there is KVM, and hours where there is none.
{
  # Makes a derivation from a script, and says what a closure consists of: as in nixpkgs.
  runCommand,
  closureInfo,
  # Packages of what runs the tests: bash, coreutils, util-linux, tar, gzip, Nix, QEMU, genisoimage, and a Python with
  # pytest, pytest-timeout and pytest-xdist.
  tools,
  # The package of the program that is tested.
  program,
  # A busybox, a file: its libraries may be in the store.
  busybox,
}:
let
  # The tests, and what they evaluate configurations with.
  parts = [
    "examples"
    "modules"
    "nixos-compat"
    "vm-tests"
  ];
  project = toString ../.;
  source = builtins.path {
    name = "machine-tests";
    path = ../.;
    filter =
      path: _type:
      let
        inside = builtins.elem (baseNameOf path) parts || dirOf path != project;
      in
      inside && baseNameOf path != "__pycache__";
  };

  # Runs Python with arguments in the folder of the tests; `root` is what it brings into machines.
  check =
    name: root: arguments:
    runCommand name
      {
        nativeBuildInputs = tools;
        # KVM is no required feature: without it a machine is emulated.
        requiredSystemFeatures = [ "nixos-test" ];
        registration = "${closureInfo { rootPaths = [ root ]; }}/registration";
        SYSTEM_MANAGER = "${program}/bin/system-manager";
        PYTHONDONTWRITEBYTECODE = "1";
      }
      ''
        mkdir report
        report=$PWD/report
        cd ${source}/vm-tests
        bash ./in-sandbox "$registration" ${busybox} python3 ${arguments} --junit-xml "$report/junit.xml"
        cp -r "$report" "$out"
      '';
in
{
  # Every test of this folder that accepts a stock image, on the image (a file) of a distribution.
  tests =
    {
      distro,
      image,
      # As pytest's -k has it.
      only ? "qemu",
    }:
    check "machines-${distro}" program
      ''-m pytest -p no:cacheprovider --kind qemu --must-run --image "${distro}=${image}" -k "${only}"'';

  # One test in NixOS's form, as `./nixos_test` has evaluated it, on the image of a distribution.
  nixosTest =
    {
      name,
      built,
      distro,
      image,
    }:
    check "nixos-test-${name}-${distro}" built
      ''. nixos_test ${built} --kind qemu --image "${distro}=${image}" -o "$report"'';
}
