{
  lib,
  config,
  options,
  ...
}:
{
  options.services.rotate = {
    enable = lib.mkEnableOption "rotation of logs";
    jobs = lib.mkOption {
      default = { };
      description = "Logs to rotate.";
      type = lib.types.attrsOf (
        lib.types.submodule (
          { name, ... }:
          {
            freeformType = lib.types.attrsOf lib.types.str;
            options.path = lib.mkOption {
              type = lib.types.path;
              default = "/var/log/${name}";
              description = "The log.";
            };
          }
        )
      );
    };
  };
  config = lib.mkIf config.services.rotate.enable {
    # What is a unit of NixOS alone, so that the two differ.
    systemd.services.rotate.after = lib.optional (!(options ? nixos-compat)) "syslog.target" ++ [
      "local-fs.target"
    ];
    # NixOS never looks at this while the service is off.
    services.storage.ensure =
      if config.services.storage.enable then [ ] else throw "the storage is off, and has no databases";
    systemd.timers.rotate = {
      wantedBy = [ "timers.target" ];
      timerConfig.OnCalendar = "daily";
    };
    systemd.services.rotate.script = lib.concatStringsSep "\n" (
      lib.mapAttrsToList (_name: job: "rotate ${job.path}") config.services.rotate.jobs
    );
  };
}
