# Services that the distribution runs itself. A module that switches one on gets what it asks for, so that this
# is no mistake, and nothing is set up a second time.
[
  # Rules of NixOS would replace those that the host has.
  "networking.firewall"
  "services.cron"
  "services.dbus"
  "services.journald"
  "services.logind"
  "services.logrotate"
  "services.nscd"
  "services.ntp"
  "services.openssh"
  "services.resolved"
  "services.rsyslogd"
  "services.timesyncd"
  "services.udev"
  "services.udisks2"
  "services.userdbd"
]
