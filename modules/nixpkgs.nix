# Where the modules' `pkgs` come from: a nixpkgs, or the distribution's own programs.
{
  config,
  lib,
  options,
  systemManager,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.nixpkgs;
  isSet = options.nixpkgs.pkgs.isDefined;

  inherit (cfg.hostPlatform) system;
  isPlain = cfg.config == { } && cfg.overlays == [ ];
  fromNixpkgs =
    # What a flake has evaluated already need not be evaluated again.
    if isPlain && systemManager.nixpkgs ? legacyPackages then
      systemManager.nixpkgs.legacyPackages.${system}
    else
      import systemManager.nixpkgs {
        inherit (cfg) config overlays;
        inherit system;
      };
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
in
{
  options.nixpkgs = {
    hostPlatform = mkOption {
      type = types.either types.str types.attrs;
      default =
        if systemManager.system != null then
          systemManager.system
        else
          throw "a pure evaluation does not know the system\nhint: set nixpkgs.hostPlatform = \"x86_64-linux\"";
      defaultText = lib.literalMD "the system that evaluates";
      example = "aarch64-linux";
      apply = p: if builtins.isString p then { system = p; } else p;
      description = "The system of the target.";
    };
    pkgs = mkOption {
      type = types.unspecified;
      example = lib.literalExpression "import <nixpkgs> { }";
      description = "A ready set of packages, instead of one that is made from a nixpkgs.";
    };
    config = mkOption {
      type = types.attrs;
      default = { };
      example = {
        allowUnfree = true;
      };
      description = "Configuration of nixpkgs. It means nothing without a nixpkgs.";
    };
    overlays = mkOption {
      type = types.listOf types.unspecified;
      default = [ ];
      example = lib.literalExpression "[ (final: prev: { }) ]";
      description = "Changes to the packages.";
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
