[
  ./config/networking.nix
  ./config/sysctl.nix
  ./misc/extra-arguments.nix
  ./misc/ids.nix
  ./misc/lib.nix
  ./misc/meta.nix
  ./rename.nix
  ./services/database/storage.nix
  ./services/misc/folder
  ./services/misc/nix-daemon.nix
  ./services/misc/keys.nix
  ./services/misc/rotate.nix
  ./services/security/certs.nix
  ./services/today/relay.nix
  ./services/web/gate
  ./services/web/webd
  ./system/service/systemd/system.nix
  ./system/activation/activation-script.nix
  ./system/systemd.nix
  # Not every entry is a file.
  {
    documentation.extraModules = [ ./not-there.nix ];
  }
]
