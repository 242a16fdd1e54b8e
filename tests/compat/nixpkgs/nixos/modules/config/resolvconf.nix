# Whether it is on follows from the names of all files, and packages and files from whether it is on.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.networking.resolvconf;
in
{
  options.networking.resolvconf.enable = lib.mkOption {
    type = lib.types.bool;
    default = !(config.environment.etc ? "resolv.conf");
    description = "Whether it is on.";
  };
  config = lib.mkMerge [
    { environment.etc."resolvconf.conf".text = lib.boolToString cfg.enable; }
    (lib.mkIf cfg.enable { environment.systemPackages = [ pkgs.openresolv ]; })
  ];
}
