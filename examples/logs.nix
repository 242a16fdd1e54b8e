# A job of cron that writes a log, and logrotate for the log: both by the distribution's own programs.
#
#   system-manager switch --file examples/logs.nix
#   logrotate --debug /etc/logrotate.d/nixos
{
  services.cron.systemCronJobs = [
    "17 * * * * root df --human-readable >> /var/log/disk-report.log"
  ];

  services.logrotate.settings."/var/log/disk-report.log" = {
    frequency = "weekly";
    rotate = 8;
    compress = true;
    missingok = true;
  };
}
