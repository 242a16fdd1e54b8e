# Names of hosts, in the distribution's own file, which keeps its lines.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  inherit (import ../text.nix { inherit lib; }) terminated;
  cfg = config.networking;
  named = lib.filterAttrs (_address: names: names != [ ]) cfg.hosts;
  text =
    lib.concatStrings (
      lib.mapAttrsToList (address: names: "${address} ${lib.concatStringsSep " " names}\n") named
    )
    + terminated cfg.extraHosts;
in
{
  options.networking = {
    hosts = mkOption {
      type = types.attrsOf (types.listOf types.str);
      default = { };
      example = {
        "192.0.2.10" = [
          "db.example.org"
          "db"
        ];
      };
      description = ''
        Host names by address, added to the distribution's `/etc/hosts`. If both define a host, the distribution's
        line comes first and applies.
      '';
    };
    extraHosts = mkOption {
      type = types.lines;
      default = "";
      example = "192.0.2.11 cache.example.org";
      description = "Lines for hosts(5), added like {option}`networking.hosts`.";
    };
  };

  config.system-manager.blocks = lib.mkIf (text != "") { hosts = text; };
}
