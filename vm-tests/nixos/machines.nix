# From a test's nodes to machines: each is evaluated, and the script is called with what came out.
{
  config,
  lib,
  pkgs,
  system-manager,
  node,
  ...
}:
let
  evaluate =
    kindDefaults: name: module:
    let
      evaluation = system-manager.lib.evalSystemConfig {
        inherit name;
        modules = [
          node
          { testing = { inherit name number; }; }
          config.defaults
          kindDefaults
          config.extraBaseModules
          module
        ];
        specialArgs = visible // config.node.specialArgs;
      };
      number = numbers.${name};
    in
    # Scripts and modules read `nodes.NAME.services`, and those of some years `nodes.NAME.config.services`.
    evaluation.config
    // {
      inherit (evaluation) config options;
    };

  # Machines are numbered in the order of their names.
  declared = config.nodes // config.containers;
  numbers = lib.listToAttrs (
    lib.imap1 (number: name: {
      inherit name;
      value = number;
    }) (builtins.attrNames declared)
  );

  nodes = lib.mapAttrs (evaluate config.nodeDefaults) config.nodes;
  containers = lib.mapAttrs (evaluate config.containerDefaults) config.containers;
  all = containers // nodes;
  # All machines are of one kind, so that a test finds each under both names.
  visible = {
    nodes = all;
    containers = all;
  };

  script = config.testScript;
  scriptArgs = visible // {
    inherit lib pkgs config;
  };
  wanted = lib.functionArgs script;

  python = config.extraPythonPackages (pkgs.python3Packages or { });
in
{
  driver = {
    inherit (config) name;
    machines = lib.mapAttrs (_name: n: {
      toplevel = "${n.config.system.build.toplevel}";
    }) all;
    testScript =
      if lib.isFunction script then
        script (if wanted == { } then scriptArgs else builtins.intersectAttrs wanted scriptArgs)
      else
        script;
    global_timeout = config.globalTimeout;
    python_packages = map (p: p.pname or p.name) python;
    reads_screen = config.enableOCR;
  };
}
