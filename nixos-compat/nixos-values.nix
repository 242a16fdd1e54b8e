# Values that NixOS sets in modules that do more than that, and that others read.
{
  # The release of the nixpkgs at hand.
  release,
  # Whether a NixOS module, by its path below `nixos/modules`, is there to declare options.
  isListed,
  # Whether modules of NixOS are in force, besides those that always are.
  usesModules,
}:
{
  config,
  lib,
  options,
  build,
  pkgs,
  ...
}:
let
  # Files that modules read by `config.environment.etc`. They are the distribution's, unless somebody defines them.
  foreign = [
    "hosts"
    "localtime"
    "nscd.conf"
    "nsswitch.conf"
    "os-release"
    "protocols"
    "resolv.conf"
    "services"
    "ssl/certs/ca-certificates.crt"
  ];
  foreignEntry =
    path:
    { config, ... }:
    {
      source = lib.mkOverride 1400 path;
      enable = lib.mkOverride 1400 (toString config.source != path);
    };

  # What NixOS builds of itself. Modules that read it are about NixOS as a whole.
  ofNixos =
    lib.genAttrs
      [
        "bootStage1"
        "bootStage2"
        "earlyMountScript"
        "etc"
        "etcActivationCommands"
        "etcBasedir"
        "etcMetadataImage"
        "fileSystems"
        "initialRamdisk"
        "initialRamdiskSecretAppender"
        "installBootLoader"
        "kernel"
        "manual"
        "nixos-enter"
        "nixos-generate-config"
        "nixos-install"
        "nixos-option"
        "nixos-rebuild"
        "separateActivationScript"
        "uki"
        "vm"
      ]
      (
        name:
        lib.mkOverride 1400 (
          throw "`config.system.build.${name}` is read, which only NixOS has: it builds that of itself, and this host is no NixOS\nhint: --show-trace says which module reads it; do without what needs it, or set `system.build.${name}` yourself"
        )
      );

  exports = lib.concatStrings (
    lib.mapAttrsToList (import ../modules/variables.nix { inherit lib; }).sh (
      lib.filterAttrs (_name: v: v != null) config.environment.variables
    )
  );
in
{
  config = lib.mkMerge [
    {
      environment.etc = lib.genAttrs foreign (name: foreignEntry "/etc/${name}");
      # A script that modules source for the variables of login shells.
      system.build = ofNixos // {
        setEnvironment = build.writeText "set-environment" exports;
        # The shell of services that see nothing of the host.
        binsh = lib.mkOverride 1400 pkgs.bashInteractive;
      };

      # The folder that is always there and always empty: the home of users that have none, a cage for servers.
      systemd.tmpfiles.rules = lib.optional usesModules "d /var/empty 0555 root root -";

      # The age of a host's data is not known here: what is new starts as new.
      system.stateVersion = lib.mkOverride 1400 release;
      _module.args = {
        baseModules = [ ];
        extraModules = [ ];
        modules = [ ];
      };
    }
    # Modules of secrets give what they decrypt to a group that NixOS always has.
    (lib.optionalAttrs (options ? age.secrets || options ? sops.secrets) {
      users.groups.keys = { };
    })
    # Programs know a proxy by variables, which NixOS gives to all sessions.
    (lib.optionalAttrs (isListed "config/networking.nix" && options ? networking.proxy.envVars) (
      let
        inherit (config.networking) proxy;
        exceptions = if proxy.noProxy == null && proxy.default != null then local else proxy.noProxy;
        local = "127.0.0.1,localhost";
      in
      {
        networking.proxy.envVars = lib.filterAttrs (_name: v: v != null) {
          http_proxy = proxy.httpProxy;
          https_proxy = proxy.httpsProxy;
          rsync_proxy = proxy.rsyncProxy;
          ftp_proxy = proxy.ftpProxy;
          all_proxy = proxy.allProxy;
          no_proxy = exceptions;
        };
        environment.sessionVariables = proxy.envVars;
      }
    ))
    # What the host has mounted there is its own, by these types everywhere.
    (lib.optionalAttrs (isListed "tasks/filesystems.nix") {
      boot.specialFileSystems =
        lib.mapAttrs
          (_name: fsType: {
            fsType = lib.mkDefault fsType;
          })
          {
            "/proc" = "proc";
            "/run" = "tmpfs";
            "/dev" = "devtmpfs";
            "/dev/shm" = "tmpfs";
            "/dev/pts" = "devpts";
            "/sys" = "sysfs";
          };
    })
    # As it comes to by default, which depends on the names of all files, and these on what it sets.
    (lib.optionalAttrs (isListed "config/resolvconf.nix") {
      networking.resolvconf.enable = lib.mkOverride 1400 false;
    })
    (lib.optionalAttrs (isListed "misc/version.nix") {
      system.nixos.version = lib.mkOverride 1400 release;
    })
    (lib.optionalAttrs (isListed "misc/label.nix") {
      system.nixos.label = lib.mkOverride 1400 release;
    })
    # The distribution's Nix has its own users.
    (lib.optionalAttrs (isListed "services/system/nix-daemon.nix") {
      nix.nrBuildUsers = lib.mkDefault 0;
    })
    (lib.optionalAttrs (isListed "programs/ssh.nix") {
      programs.ssh.setXAuthLocation = lib.mkDefault false;
    })
    (lib.optionalAttrs (isListed "config/system-path.nix") {
      # A folder, also where it is an empty one.
      system.path =
        if config.system.build.sw != null then
          config.system.build.sw
        else
          build.join {
            name = "system-path";
            paths = [ ];
            pathsToLink = [ ];
          };
    })
  ];
}
