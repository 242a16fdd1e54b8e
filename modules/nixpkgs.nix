# Where the modules' `pkgs` come from: a nixpkgs, or the distribution's own programs.
{
  config,
  lib,
  options,
  systemManager,
  ...
}:
let
  inherit (lib) mkOption systems types;
  cfg = config.nixpkgs;
  isSet = options.nixpkgs.pkgs.isDefined;

  inherit (cfg.hostPlatform) system;
  isNative = systems.equals cfg.buildPlatform cfg.hostPlatform;
  isPlain =
    cfg.config == { }
    && cfg.overlays == [ ]
    && isNative
    && systems.equals cfg.hostPlatform (systems.elaborate system);
  fromNixpkgs =
    # What a flake has evaluated already need not be evaluated again.
    if isPlain && systemManager.nixpkgs ? legacyPackages then
      systemManager.nixpkgs.legacyPackages.${system}
    else if isNative then
      import systemManager.nixpkgs {
        inherit (cfg) config overlays;
        localSystem = cfg.hostPlatform;
      }
    else
      # What runs in builds is the builder's, of packages by the same names.
      (import systemManager.nixpkgs {
        inherit (cfg) config overlays;
        localSystem = cfg.buildPlatform;
        crossSystem = cfg.hostPlatform;
      }).__splicedPackages;
  given = if cfg.overlays == [ ] then cfg.pkgs else cfg.pkgs.appendOverlays cfg.overlays;
  pkgs =
    if isSet then
      given
    else if systemManager.nixpkgs != null then
      fromNixpkgs
    else
      systemManager.hostPackages {
        inherit (cfg) overlays;
        inherit system;
      };

  # Settings of several modules are one; functions that override packages are applied one after another.
  called = f: argument: if lib.isFunction f then f argument else f;
  overriding =
    name: older: newer:
    lib.optionalAttrs (older ? ${name} && newer ? ${name}) {
      ${name} = pkgs: called older.${name} pkgs // called newer.${name} pkgs;
    };
  joined =
    older: newer:
    lib.recursiveUpdate older newer
    // overriding "packageOverrides" older newer
    // overriding "perlPackageOverrides" older newer;
  settings = lib.mkOptionType {
    name = "nixpkgs-config";
    description = "nixpkgs config";
    check = value: builtins.isAttrs value || lib.isFunction value;
    merge =
      _loc: definitions:
      lib.foldr (definition: joined (called definition.value { inherit pkgs; })) { } definitions;
  };
  platform = types.either types.str types.attrs;
in
{
  options.nixpkgs = {
    hostPlatform = mkOption {
      type = platform;
      default =
        if systemManager.system != null then
          systemManager.system
        else
          throw "a pure evaluation does not know the system\nhint: set nixpkgs.hostPlatform = \"x86_64-linux\"";
      defaultText = lib.literalMD "the system that evaluates";
      example = "aarch64-linux";
      apply = systems.elaborate;
      description = "The system of the target: its name, or a set with `system` and further attributes of the platform.";
    };
    buildPlatform = mkOption {
      type = platform;
      default = cfg.hostPlatform;
      defaultText = lib.literalExpression "config.nixpkgs.hostPlatform";
      example = "x86_64-linux";
      # The same platform is the same value, so that it is equal to the other one.
      apply =
        given:
        let
          elaborated = systems.elaborate given;
        in
        if systems.equals elaborated cfg.hostPlatform then cfg.hostPlatform else elaborated;
      description = "The system on which packages of nixpkgs are built. If it differs from the target's, packages are cross-compiled.";
    };
    pkgs = mkOption {
      type = types.unspecified;
      example = lib.literalExpression "import <nixpkgs> { }";
      description = "A complete set of packages to use, instead of one made from a nixpkgs.";
    };
    config = mkOption {
      type = settings;
      default = { };
      example = {
        allowUnfree = true;
      };
      description = "The configuration of nixpkgs. It has no effect without a nixpkgs.";
    };
    overlays = mkOption {
      type = types.listOf types.unspecified;
      default = [ ];
      example = lib.literalExpression "[ (final: prev: { }) ]";
      description = "Overlays: changes to the set of packages.";
    };
  };

  config = {
    # A host package is built by our own builder, whatever the packages are.
    _module.args.pkgs = lib.mkOverride 900 (pkgs // { inherit (systemManager) hostPackage; });

    system.build.nixpkgsVersion =
      if isSet then
        cfg.pkgs.lib.version or "unknown"
      else if systemManager.nixpkgs != null then
        (import (systemManager.nixpkgs + "/lib")).version or "unknown"
      else
        null;
  };
}
