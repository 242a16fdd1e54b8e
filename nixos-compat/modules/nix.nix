# The settings of Nix itself.
{ config, lib, ... }:
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
  present = lib.filterAttrs (_name: v: v != null) cfg.settings;
  text =
    lib.concatStrings (lib.mapAttrsToList (name: v: "${name} = ${shown v}\n") present)
    + terminated cfg.extraOptions;
in
{
  options.nix = {
    settings = mkOption {
      type = types.attrsOf (types.either atom (types.listOf atom));
      default = { };
      example = {
        experimental-features = [
          "nix-command"
          "flakes"
        ];
      };
      description = ''
        Settings as in nix.conf(5). A file `/etc/nix/nix.conf` that is there already is a conflict, unless
        `environment.etc."nix/nix.conf".replaceExisting` is set.
      '';
    };
    extraOptions = mkOption {
      type = types.lines;
      default = "";
      example = "!include /etc/nix/access-tokens.conf";
      description = "Lines as in nix.conf(5).";
    };
  };

  config.environment.etc = lib.mkIf (text != "") { "nix/nix.conf".text = text; };
}
