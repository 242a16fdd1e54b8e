# Looks at NixOS modules, for `system-manager compat`, which asks for one attribute at a time.
{
  # The folder of a nixpkgs.
  nixpkgs,
  # The module's path below `nixos/modules`.
  module ? "services/web-servers/nginx/default.nix",
  # Several, separated by spaces, of which one attribute is asked: packages and the tree are read once.
  together ? module,
  # Whether the distribution's programs stand in for packages.
  hostPackages ? true,
  system ? builtins.currentSystem,
}:
let
  project = import ../../.. { inherit nixpkgs system; };
  lib = import ../../library.nix { inherit nixpkgs; };
  root = toString (nixpkgs + "/nixos/modules");
  # What a host has, of which services make their own: the age of its data, a name, somebody to write to.
  host = {
    system.stateVersion = lib.mkDefault lib.trivial.release;
  }
  // lib.optionalAttrs (has "tasks/network-interfaces.nix") {
    networking.hostName = "sample";
    networking.domain = "example.org";
  }
  // lib.optionalAttrs (has "security/acme/default.nix") {
    security.acme.acceptTerms = true;
    security.acme.defaults.email = "root@example.org";
  };
  has = name: builtins.pathExists "${root}/${name}";
  settings = {
    # By itself it would come in once it is seen that it is set, by a second evaluation.
    imports = [ host ] ++ lib.optional (has "security/acme/default.nix") "${root}/security/acme";
    nixos-compat.hostPackages.enable = hostPackages;
  };

  # What an activation would be made of.
  force =
    evaluation:
    let
      inherit (evaluation.config.system.build) manifest;
    in
    builtins.deepSeq manifest manifest;
  # The text of each unit, and who starts it: old releases of NixOS do not say that in the text.
  unitTexts = lib.mapAttrs (
    _name: u:
    if u.enable then
      "${u.text}\n[Edges]\nwantedBy=${toString (lib.naturalSort u.wantedBy)}\nrequiredBy=${toString (lib.naturalSort u.requiredBy)}\n"
    else
      null
  );

  # What a distribution runs itself, as the layer takes for granted: no module lacks it.
  ofDistribution.config = lib.mkMerge [
    (lib.optionalAttrs (has "security/polkit.nix") { security.polkit.enable = true; })
    (lib.optionalAttrs (has "services/hardware/udisks2.nix") { services.udisks2.enable = true; })
    (lib.optionalAttrs (has "services/logging/rsyslogd.nix") { services.rsyslogd.enable = true; })
    (lib.optionalAttrs (has "services/networking/ssh/sshd.nix") { services.openssh.enable = true; })
    (lib.optionalAttrs (has "services/scheduling/cron.nix") {
      services.cron = {
        enable = true;
        systemCronJobs = [ "@daily root true" ];
      };
    })
    (lib.optionalAttrs (has "system/boot/resolved.nix") { services.resolved.enable = true; })
  ];

  nixos =
    modules:
    (import (nixpkgs + "/nixos/lib/eval-config.nix") {
      inherit system modules;
    }).config;

  modules = lib.splitString " " together;
  looks = lib.genAttrs modules look;
  # The packages of the first one serve the others, too, and NixOS.
  samePackages.nixpkgs.pkgs = looks.${lib.head modules}.ownPackages;

  # What is known of a module.
  look =
    module:
    let
      file = "${root}/${module}";

      all = import ../cases;
      fit = import ./fitting.nix {
        inherit lib;
        inherit (plain) options;
      };
      cases = lib.optional (all ? ${module}) { imports = [ (fit all.${module}) ]; };

      evaluate = modules: project.evaluate { modules = [ file ] ++ modules; };

      own = evaluate [ settings ];
      plain =
        if module == lib.head modules then
          own
        else
          evaluate [
            settings
            samePackages
          ];

      # The paths of the options that the module declares.
      declared =
        let
          value = import file;
          args = {
            inherit lib;
            inherit (plain) config options;
            modulesPath = root;
          };
          missing = removeAttrs (lib.functionArgs value) (builtins.attrNames args);
          m =
            if lib.isFunction value then
              value (args // builtins.mapAttrs (name: _: plain._module.args.${name}) missing)
            else
              value;
          follow =
            path: tree:
            if lib.isOption tree then
              [ path ]
            else
              lib.concatLists (lib.mapAttrsToList (name: follow (path ++ [ name ])) tree);
        in
        follow [ ] (m.options or { });

      # The options that switch the module on: the shortest of those called `enable`.
      switches =
        let
          all = lib.filter (path: lib.last path == "enable") declared;
          shortest = lib.foldl' (n: path: lib.min n (lib.length path)) 99 all;
        in
        lib.filter (path: lib.length path == shortest) all;
      switchedOn = map (path: lib.setAttrByPath path true) (lib.take 1 switches);
      # What has to be set, and has no case. Defaults may follow from what a case sets.
      withCases =
        if cases == [ ] then
          plain
        else
          evaluate (
            [
              settings
              samePackages
            ]
            ++ cases
          );
      sample = import ./samples.nix {
        inherit lib;
        package = withCases._module.args.pkgs.hello;
      };
      samples = lib.concatMap (path: sample path (lib.getAttrFromPath path withCases.options)) declared;
      enabled = evaluate (
        [
          settings
          samePackages
        ]
        ++ switchedOn
        ++ samples
        ++ cases
      );

      declares = lib.foldl' (
        count: path: builtins.seq (lib.getAttrFromPath path plain.options).type.name (count + 1)
      ) 0 declared;
      defaults = lib.attrNames (force plain).units;
      switched =
        let
          manifest = force enabled;
        in
        {
          switches = map (lib.concatStringsSep ".") switches;
          cases = cases != [ ];
          failed = map (a: a.message) (lib.filter (a: !a.assertion) enabled.config.assertions);
          # The host's own are not the module's.
          noEffect = lib.subtractLists (map (e: e.option) plain.config.system-manager.noEffect) (
            map (e: e.option) manifest.noEffect
          );
          units = lib.attrNames manifest.units;
          etc = lib.attrNames manifest.etc;
        };

      ours = unitTexts enabled.config.systemd.units;
      onNixos = nixos (
        [
          host
          samePackages
        ]
        ++ switchedOn
        ++ samples
        ++ cases
      );
      theirs = onNixos.systemd.units;
      # The libraries by which NixOS finds accounts, which the distribution has in its own places.
      nssModules = onNixos.system.nssModules.path or "";
      withoutNss = lib.mapAttrs (
        _name: text: if text == null then null else lib.replaceStrings [ nssModules ] [ "" ] text
      );
    in
    {
      inherit declares defaults;
      enabled = switched;
      # All at once, which is faster where nothing fails.
      all = {
        inherit declares defaults;
        enabled = switched;
      };
      # The units beside those of NixOS's own evaluation.
      compared = {
        inherit ours;
        theirs = withoutNss (unitTexts (builtins.intersectAttrs ours theirs));
        names = lib.attrNames theirs;
      };
      ownPackages = own._module.args.pkgs;
    };
in
{
  # Which nixpkgs it is, and every module that can be looked at.
  index = {
    inherit (lib.trivial) release;
    # Not every entry is a file.
    modules = map (f: lib.removePrefix "${root}/" (import ../../module-file.nix f)) (
      lib.filter (f: builtins.isPath f || builtins.isString f) (
        import (nixpkgs + "/nixos/modules/module-list.nix")
      )
    );
  };

  inherit (looks.${lib.head modules})
    declares
    defaults
    enabled
    all
    compared
    ;
  # One attribute of each.
  each = lib.genAttrs [ "all" "compared" ] (
    attribute: lib.mapAttrs (_module: found: found.${attribute}) looks
  );

  # The units of a NixOS without the module.
  base = lib.unique (
    lib.concatMap (modules: lib.attrNames (nixos modules).systemd.units) [
      [ host ]
      [
        host
        ofDistribution
      ]
    ]
  );
}
