# What is done with the modules of NixOS, by their paths below `nixos/modules`, and with options of NixOS.
{
  # Always in force: they give the others what they take for granted, and put nothing on the host.
  infrastructure = [
    # The numbers of system users.
    "misc/ids.nix"
    # `config.lib`, where modules leave functions for each other.
    "misc/lib.nix"
    # `meta` of modules.
    "misc/meta.nix"
    "misc/passthru.nix"
    # The argument `utils`.
    "misc/extra-arguments.nix"
    # Old names of options.
    "rename.nix"
    # Modular services, which become units.
    "system/service/systemd/system.nix"
    "system/service/systemd/user.nix"
  ];

  # Ours do their work in the distribution's way. Importing one adds its declarations, not its effects.
  #
  # Some have moved since; a nixpkgs has one of the names.
  replaced = [
    "config/networking.nix"
    "config/nix.nix"
    "config/shells-environment.nix"
    "config/sysctl.nix"
    "config/system-environment.nix"
    "config/system-path.nix"
    "config/users-groups.nix"
    "misc/assertions.nix"
    "misc/nixpkgs.nix"
    "misc/version.nix"
    "programs/bash/bash.nix"
    "programs/ssh.nix"
    "security/pam.nix"
    "security/sudo.nix"
    "security/wrappers/default.nix"
    "services/hardware/udev.nix"
    "services/logging/logrotate.nix"
    "services/misc/nix-daemon.nix"
    "services/networking/ssh/sshd.nix"
    "services/scheduling/cron.nix"
    "services/system/dbus.nix"
    "services/system/nix-daemon.nix"
    "services/system/userborn.nix"
    "system/activation/activatable-system.nix"
    "system/activation/activation-script.nix"
    "system/activation/bootspec.nix"
    "system/activation/pre-switch-check.nix"
    "system/activation/specialisation.nix"
    "system/activation/switchable-system.nix"
    "system/activation/top-level.nix"
    "system/boot/kernel.nix"
    "system/boot/modprobe.nix"
    "system/boot/systemd.nix"
    "system/boot/systemd/sysusers.nix"
    "system/boot/systemd/tmpfiles.nix"
    "system/boot/systemd/user.nix"
    "system/etc/etc-activation.nix"
    "system/etc/etc.nix"
  ];

  # Services that the distribution runs itself. A module that switches one on gets what it asks for, so that this is
  # no mistake, and nothing is set up a second time.
  provided = [
    # Rules of NixOS would replace those that the host has.
    "networking.firewall"
    # What it is by default on NixOS is no wish for another client of DHCP beside the host's.
    "networking.dhcpcd"
    "networking.resolvconf"
    "services.cron"
    "services.dbus"
    "services.getty"
    "services.journald"
    "services.logind"
    "services.logrotate"
    "services.lvm"
    "services.nscd"
    "services.ntp"
    "services.openssh"
    "services.resolved"
    "services.rsyslogd"
    "services.timesyncd"
    "services.udev"
    "services.udisks2"
    "services.userborn"
    "services.userdbd"
  ];

  # Options whose work ours do whatever they say: setting them is no mistake.
  done = [
    "networking.proxy.allProxy"
    "networking.proxy.default"
    "networking.proxy.envVars"
    "networking.proxy.ftpProxy"
    "networking.proxy.httpProxy"
    "networking.proxy.httpsProxy"
    "networking.proxy.noProxy"
    "networking.proxy.rsyncProxy"
    "services.userborn.enable"
    "systemd.sysusers.enable"
  ];

  # Where the modules are that are imported by themselves when one of their options is set.
  importable = [
    "hardware/graphics.nix"
    "hardware/i2c.nix"
    # As the one before was called in 24.05.
    "hardware/opengl.nix"
    "hardware/uinput.nix"
    "programs/"
    "security/acme"
    "security/systemd-confinement.nix"
    "services/"
    "virtualisation/"
  ];
}
