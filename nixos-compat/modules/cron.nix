# Jobs of the distribution's cron.
{ config, lib, ... }:
let
  jobs = config.services.cron.systemCronJobs;
in
{
  options.services.cron.systemCronJobs = lib.mkOption {
    type = lib.types.listOf lib.types.str;
    default = [ ];
    example = [ "*/5 * * * * root /usr/local/bin/probe" ];
    description = "Lines for crontab(5), including the user who runs the command.";
  };

  # cron ignores links that others own, and files that others may write.
  config.environment.etc = lib.mkIf (jobs != [ ]) {
    "cron.d/nixos" = {
      text = lib.concatMapStrings (j: "${j}\n") jobs;
      mode = "0644";
    };
  };
}
