# The settings of Nix itself.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (import ../text.nix { inherit lib; }) terminated;
  cfg = config.nix;

  atom = types.nullOr (
    types.oneOf [
      types.bool
      types.int
      types.float
      types.str
      types.path
      types.package
    ]
  );
  shown =
    v:
    if v == true then
      "true"
    else if v == false then
      "false"
    else if builtins.isList v then
      lib.concatMapStringsSep " " shown v
    else
      toString v;
  # What Nix does without a setting, for modules that read what holds.
  defaults = {
    allowed-users = [ "*" ];
    auto-optimise-store = false;
    cores = 0;
    max-jobs = 1;
    sandbox = true;
    substituters = [ "https://cache.nixos.org/" ];
    trusted-public-keys = [ "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=" ];
    trusted-users = [ "root" ];
  };
  # Only what is set is written.
  set = with options.nix.settings; type.merge loc definitionsWithLocations;
  present = lib.filterAttrs (_name: v: v != null) set;
  text =
    lib.concatStrings (lib.mapAttrsToList (name: v: "${name} = ${shown v}\n") present)
    + terminated cfg.extraOptions;
in
{
  options.nix = {
    enable = mkOption {
      type = types.bool;
      default = true;
      description = "Whether to write these settings. This does not install Nix itself.";
    };
    settings = mkOption {
      type = types.attrsOf (types.either atom (types.listOf atom));
      default = { };
      apply = given: defaults // given;
      example = {
        experimental-features = [
          "nix-command"
          "flakes"
        ];
      };
      description = ''
        Settings for nix.conf(5). An existing file `/etc/nix/nix.conf` is a conflict, unless `nix.enable` is set to
        `true`: then it is replaced, and comes back with `system-manager deactivate`.
      '';
    };
    extraOptions = mkOption {
      type = types.lines;
      default = "";
      example = "!include /etc/nix/access-tokens.conf";
      description = "Lines for nix.conf(5).";
    };
  };

  config.environment.etc."nix/nix.conf" = lib.mkIf (cfg.enable && text != "") {
    inherit text;
    # Who enables it by name means the whole file, as with numtide/system-manager.
    replaceExisting = lib.mkIf (options.nix.enable.highestPrio < (lib.mkOptionDefault null).priority) (
      lib.mkDefault true
    );
  };
}
