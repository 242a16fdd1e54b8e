{ lib, config, ... }:
let
  cfg = config.services.folder;
in
{
  options.services.folder.enable = lib.mkEnableOption "the folder";
  config = lib.mkIf cfg.enable {
    systemd.tmpfiles.rules = [ "d /srv/depth-${toString cfg.depth} - - - - -" ];
  };
}
