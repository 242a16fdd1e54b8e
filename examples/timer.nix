# A timer: a script that runs every day, with a folder of its own for what it writes.
#
#   system-manager switch --file examples/timer.nix
#   systemctl list-timers disk-report.timer
{
  systemd.services.disk-report = {
    description = "Note how full the disks are";
    startAt = "daily";
    serviceConfig = {
      Type = "oneshot";
      DynamicUser = true;
      StateDirectory = "disk-report";
    };
    script = ''
      df --human-readable > "$STATE_DIRECTORY/$(date +%F).txt"
    '';
  };

  # A run that was missed, because the machine was off, is made up for.
  systemd.timers.disk-report.timerConfig.Persistent = true;
}
