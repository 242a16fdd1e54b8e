[
  ./config/networking.nix
  ./config/sysctl.nix
  ./installer/tools.nix
  ./misc/extra-arguments.nix
  ./misc/ids.nix
  ./misc/lib.nix
  ./misc/meta.nix
  ./rename.nix
  ./security/systemd-confinement.nix
  ./services/database/storage.nix
  ./services/misc/folder
  ./services/misc/keys.nix
  ./services/misc/rotate.nix
  ./services/security/certs.nix
  ./services/system/nix-daemon.nix
  ./services/today/relay.nix
  ./services/web/gate
  ./services/web/webd
  ./system/service/systemd/system.nix
  ./system/activation/activation-script.nix
  ./system/systemd.nix
  ./system/units.nix
  # Not every entry is a file.
  {
    documentation.extraModules = [ ./not-there.nix ];
  }
]
