{
  lib,
  config,
  pkgs,
  ...
}:
let
  cfg = config.services.storage;
in
{
  imports = [
    (lib.mkRenamedOptionModule
      [
        "services"
        "storage"
        "dataDirectory"
      ]
      [
        "services"
        "storage"
        "dataDir"
      ]
    )
  ];
  options.services.storage = {
    enable = lib.mkEnableOption "the database";
    package = lib.mkPackageOption pkgs "storage" { };
    dataDir = lib.mkOption {
      type = lib.types.path;
      default = "/var/lib/storage/${cfg.package.dataFormat}";
      defaultText = lib.literalExpression "by the format";
      description = "The data.";
    };
    ensure = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      description = "Databases that must exist.";
    };
  };
  config = lib.mkIf cfg.enable {
    systemd.services.storage = {
      wantedBy = [ "multi-user.target" ];
      postStart = lib.concatMapStringsSep "\n" (db: "storage create ${db}") cfg.ensure;
      serviceConfig = {
        ExecStart = "${lib.getExe cfg.package} ${cfg.dataDir}";
        TimeoutSec = lib.mkDefault 90;
      };
    };
  };
}
