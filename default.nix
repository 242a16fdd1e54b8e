# The Nix API of system-manager.
#
# Everything here works with Nix alone: without a nixpkgs, the project's own module library and the
# distribution's programs serve. The command line builds a host like this:
#
#   nix-build --no-out-link -A toplevel --argstr file /abs/host.nix [--argstr name NAME] \
#     [--argstr nixpkgs /abs/nixpkgs] [--argstr activator /abs/system-manager] THIS-FOLDER
#
# which prints the toplevel's store path. `-A manifest` with `nix-instantiate --eval --strict --json` gives the
# manifest without building. From Nix:
#
#   (import THIS-FOLDER { }).lib.makeSystemConfig { modules = [ ./host.nix ]; }
{
  # A nixpkgs, as a path or flake input. It gives `lib`, `pkgs` and `modulesPath`.
  nixpkgs ? null,
  # The module library, instead of nixpkgs's or the embedded one.
  lib ? null,
  # The system that builds, and the default of `nixpkgs.hostPlatform`. A pure evaluation, which has none,
  # builds on the target's.
  system ? builtins.currentSystem or null,
  # The program that becomes `bin/system-manager` of the toplevel: a path of the host, a path in the store,
  # or a package; or a function that gives one for a system. Without it, the toplevel has no `bin`.
  activator ? null,
  # The static busybox that builds files, likewise; by default the host's.
  busybox ? null,
  # Packages with the programs that scripts of modules run in a build, bash and coreutils among them, or a function
  # that gives them for a system; by default copies of the host's programs.
  buildTools ? null,
  # The interpreter of scripts on the target.
  shell ? "/bin/bash",
  # The host's configuration for `toplevel` and `manifest`.
  file ? null,
  # Its name in the manifest; by default it follows from the file's.
  name ? null,
}:
let
  inherit (builtins)
    baseNameOf
    dirOf
    isAttrs
    isFunction
    isList
    ;

  version = (builtins.fromTOML (builtins.readFile ./Cargo.toml)).package.version;

  # Puts a program into the store, unless it is there.
  inStore =
    name: given: system:
    let
      program = if isFunction given then given system else given;
      path = toString program;
    in
    if program == null then
      null
    else if isAttrs program then
      "${program}/bin/${name}"
    else if builtins.hasContext path then
      path
    else if builtins.match "${builtins.storeDir}/.+" path != null then
      storePath path
    else
      # A string need not be absolute, but a path is.
      builtins.path {
        path = /. + path;
        inherit name;
      };

  # Keeps a store path's reference, which a plain string does not have.
  storePath =
    path:
    let
      parts = builtins.match "(${builtins.storeDir}/[^/]+)(.*)" path;
    in
    "${builtins.storePath (builtins.head parts)}${builtins.elemAt parts 1}";

  libOf =
    nixpkgs:
    if lib != null then
      lib
    else if nixpkgs == null then
      import ./modules/lib
    else
      import ./nixos-compat/library.nix { inherit nixpkgs; };

  # Evaluates modules to `config` and `options`.
  evaluate =
    args:
    let
      source = args.nixpkgs or nixpkgs;
      evaluateModules = import ./modules/evaluate.nix {
        inherit system shell version;
        nixpkgs = source;
        lib = libOf source;
        activatorFor = inStore "system-manager" activator;
        buildToolsFor = system: if isFunction buildTools then buildTools system else buildTools;
        busyboxFor =
          system:
          import ./modules/busybox.nix {
            program = if isFunction busybox then busybox system else busybox;
          };
      };
    in
    evaluateModules (removeAttrs args [ "nixpkgs" ]);

  # Evaluates modules to a toplevel: a derivation with `config` and `options`, and what it was made from.
  makeSystemConfig =
    args:
    let
      evaluation = evaluate args;
    in
    evaluation.config.system.build.toplevel
    // {
      inherit (evaluation) config options;
      arguments = {
        inherit (args) modules;
        specialArgs = (args.specialArgs or { }) // (args.extraSpecialArgs or { });
        nixpkgs = args.nixpkgs or nixpkgs;
      };
    };

  api = {
    lib = {
      inherit makeSystemConfig;
      # The same, without a toplevel: what a tool needs that reads `config` before it is checked.
      evalSystemConfig = evaluate;
    }
    // import ./modules/test-snippets.nix
    // {
      runNixOSTest = args: flake.lib.runNixOSTest args;
    };
    packages = flake.packages;
    overlays = flake.overlays;
    nixosModules = flake.nixosModules;
    inherit version;
  };

  # What the flake has besides, for those who use none.
  flake =
    if nixpkgs == null then
      throw "packages, overlays and tests need a nixpkgs\nhint: import this folder with { nixpkgs = <nixpkgs>; }"
    else
      (import ./flake.nix).outputs {
        self = flake;
        nixpkgs = {
          outPath = toString nixpkgs;
          lib = import (nixpkgs + "/lib");
          legacyPackages =
            nixpkgs.legacyPackages
              or (builtins.mapAttrs (system: _name: import nixpkgs { inherit system; }) flake.packages);
        };
      };

  # `host.nix` is called `host`, and `host/default.nix` too.
  nameOf =
    file:
    let
      base = baseNameOf (toString file);
      stem = builtins.match "(.*)[.]nix" base;
    in
    if base == "default.nix" then
      baseNameOf (dirOf (toString file))
    else if stem != null then
      builtins.head stem
    else
      base;

  # What a function may ask for that gives a toplevel.
  givenToFiles = {
    system-manager = api;
    inherit system nixpkgs;
  };

  # Whether a function is to be called for a toplevel, rather than being a module: it asks for `system-manager`, or each
  # of its arguments has a default. A module may ask for that, too, and asks for more.
  standsAlone =
    f:
    let
      wanted = builtins.functionArgs f;
      required = removeAttrs wanted (builtins.filter (n: wanted.${n}) (builtins.attrNames wanted));
      asksForMore = removeAttrs required (builtins.attrNames givenToFiles) != { };
    in
    wanted != { } && !asksForMore && (required == { } || wanted ? system-manager);

  # Evaluates a file: a module, a list of modules, a toplevel, or a function that gives a toplevel.
  # Such a function may ask for `system-manager` (this API), `system` and `nixpkgs`.
  evalFile =
    {
      file,
      name ? nameOf file,
    }:
    let
      path = if builtins.isString file then /. + file else file;
      value = import path;
      called =
        if isFunction value && standsAlone value then
          value (builtins.intersectAttrs (builtins.functionArgs value) givenToFiles)
        else
          value;
      isToplevel = isAttrs called && called.type or null == "derivation";
    in
    if isToplevel then
      called
    else
      makeSystemConfig {
        inherit name;
        modules = if isList value then value else [ path ];
      };

  toplevel =
    if file == null then
      throw "no file to evaluate\nhint: pass --argstr file /abs/host.nix"
    else
      evalFile ({ inherit file; } // (if name == null then { } else { inherit name; }));
in
api
// {
  inherit evalFile evaluate toplevel;
  # The manifest as data; assertions are checked.
  manifest = builtins.seq toplevel.drvPath toplevel.config.system.build.manifest;
}
