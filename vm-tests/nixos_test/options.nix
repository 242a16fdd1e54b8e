# The options of a test, with NixOS's names and meanings.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  machines =
    description:
    mkOption {
      type = types.lazyAttrsOf types.deferredModule;
      default = { };
      inherit description;
    };
  shared =
    description:
    mkOption {
      type = types.deferredModule;
      default = { };
      inherit description;
    };
  # What says how NixOS builds or checks a test, and changes nothing about the test.
  unused = mkOption {
    type = types.raw;
    default = null;
    description = "Accepted, without effect.";
  };
  unusedSet = mkOption {
    type = types.lazyAttrsOf types.raw;
    default = { };
    description = "Accepted, without effect.";
  };
in
{
  imports = [ (lib.mkAliasOptionModule [ "machine" ] [ "nodes" "machine" ]) ];

  options = {
    name = mkOption {
      type = types.str;
      default = "unnamed";
      description = "The test's name.";
    };
    nodes = machines "The machines, by name: a module for each.";
    containers = machines "Further machines. Whether a machine is a container is up to the run, not to the test.";
    defaults = shared "A module for all machines.";
    nodeDefaults = shared "A module for all `nodes`.";
    containerDefaults = shared "A module for all `containers`.";
    extraBaseModules = shared "A module for all machines.";
    node.specialArgs = mkOption {
      type = types.lazyAttrsOf types.raw;
      default = { };
      description = "Further arguments of the machines' modules.";
    };
    testScript = mkOption {
      # A merged function would not tell which arguments it names.
      type = types.raw;
      description = "The script in Python, or a function that gives it. It is called with the arguments that it names.";
    };
    globalTimeout = mkOption {
      type = types.ints.positive;
      default = 3600;
      description = "How many seconds the script may take.";
    };
    extraPythonPackages = mkOption {
      type = types.raw;
      default = _packages: [ ];
      description = "Python packages that the script imports.";
    };
    enableOCR = mkOption {
      type = types.bool;
      default = false;
      description = "Whether the script reads the screen: it runs on machines under QEMU, where the host has tesseract.";
    };

    meta = unusedSet;
    passthru = unusedSet;
    qemu = unusedSet;
    sshBackdoor = unusedSet;
    node.pkgs = unused;
    node.pkgsReadOnly = unused;
    hostPkgs = unused;
    interactive = unused;
    skipLint = unused;
    skipTypeCheck = unused;
    makeCoverageReport = unused;
    extraDriverArgs = unused;
    enableDebugHook = unused;

    driver = mkOption {
      type = types.raw;
      internal = true;
      description = "What the driver runs.";
    };
  };
}
