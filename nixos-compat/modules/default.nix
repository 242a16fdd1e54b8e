# Our modules that give meaning to options of NixOS.
[
  ./cron.nix
  ./dbus.nix
  ./host-packages.nix
  ./hosts.nix
  ./kernel.nix
  ./logrotate.nix
  ./nix.nix
  ./openssh.nix
  ./options.nix
  ./pam.nix
  ./shell.nix
  ./ssh.nix
  ./sudo.nix
  ./udev.nix
  ./wrappers.nix
]
