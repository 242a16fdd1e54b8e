{ lib, config, ... }:
{
  _class = "service";
  options = {
    process.argv = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      description = "The command.";
    };
    systemd.unit = lib.mkOption {
      type = lib.types.deferredModule;
      description = "More of the unit.";
    };
  };
  config.systemd.unit = {
    wantedBy = lib.mkDefault [ "multi-user.target" ];
    serviceConfig.ExecStart = [ (lib.concatMapStringsSep " " builtins.toJSON config.process.argv) ];
  };
}
