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
          machine
          { options.specialisation = standingAlone; }
          config.defaults
          kindDefaults
          config.extraBaseModules
          module
        ];
        specialArgs = visible // config.node.specialArgs;
      };
      number = numbers.${name};
      machine.imports = [
        node
        { testing = { inherit name number; }; }
      ];
      # A variant without its parent's configuration is still one of this machine.
      standingAlone = lib.mkOption {
        type = lib.types.attrsOf (
          lib.types.submodule (variant: {
            config.configuration = lib.mkIf (!variant.config.inheritParentConfig) machine;
          })
        );
      };
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

  # What the driver is to set up of a machine's interfaces, and what it is called by the others.
  interfacesOf =
    { config, ... }:
    let
      inherit (config) networking;
      # A node may say that nothing of an interface is set up.
      none = {
        addresses = [ ];
        routes = [ ];
      };
      length = a: "${a.address}/${toString a.prefixLength}";
      route = r: length r + lib.optionalString (r.via != null) " via ${r.via}";
      # A gateway is in the network of the first interface.
      gateway = g: lib.optional (g != null) "default via ${g.address or g}";
      gateways =
        gateway (networking.defaultGateway or null) ++ gateway (networking.defaultGateway6 or null);
    in
    lib.imap1 (
      index: vlan:
      let
        interface = networking.interfaces."eth${toString index}" or { };
        ipv4 = interface.ipv4 or none;
        ipv6 = interface.ipv6 or none;
      in
      {
        inherit vlan;
        addresses = map length (ipv4.addresses ++ ipv6.addresses);
        routes = map route (ipv4.routes ++ ipv6.routes) ++ lib.optionals (index == 1) gateways;
      }
    ) config.virtualisation.vlans;

  hostsOf =
    { config, ... }:
    let
      inherit (config) networking;
      inherit (networking) hostName;
      domain = networking.domain or null;
      called = lib.optional (domain != null) "${hostName}.${domain}" ++ [ hostName ];
      has6 = lib.any (a: a.address == networking.primaryIPv6Address) (
        networking.interfaces.eth1.ipv6.addresses or [ ]
      );
    in
    lib.optional (networking.primaryIPAddress != "") [
      networking.primaryIPAddress
      called
    ]
    ++ lib.optional has6 [
      networking.primaryIPv6Address
      called
    ];

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
      interfaces = interfacesOf n;
      is_wired =
        n.config.virtualisation.vlans != [ 1 ]
        # One definition is that of the addresses that all have.
        || builtins.length n.options.networking.interfaces.definitions > 1;
    }) all;
    hosts = lib.concatLists (map hostsOf (builtins.attrValues all));
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
