# A timer that switches the host to what its configuration is by then.
{
  config,
  lib,
  systemManager,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.system.autoUpgrade;

  sources = lib.filterAttrs (_name: value: value != null) {
    inherit (cfg) flake file toplevel;
  };
  source = lib.head (builtins.attrNames sources);

  # The program of the generation that is active when the timer fires.
  program = "/var/lib/system-manager/current/bin/system-manager";
  words =
    if cfg.toplevel != null then
      [
        "switch"
        cfg.toplevel
      ]
    else
      [
        "switch"
        "--${source}"
        (toString sources.${source})
      ]
      ++ lib.optional (cfg.upgrade && cfg.flake != null) "--refresh";
  flags =
    words
    ++ lib.optional cfg.rollbackOnFailure "--rollback-on-failure"
    ++ [ "--wait" ]
    # Several words in one string, as NixOS takes them.
    ++ lib.concatMap (lib.splitString " ") cfg.flags;

  window =
    what: example:
    mkOption {
      type = types.strMatching "[[:digit:]]{2}:[[:digit:]]{2}";
      inherit example;
      description = "The ${what} of the window, in hours and minutes.";
    };

  unused = {
    allowReboot = cfg.allowReboot;
    rebootWindow = cfg.rebootWindow != null;
    operation = cfg.operation != "switch";
    channel = cfg.channel != null;
  };
in
{
  options.system.autoUpgrade = {
    enable = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether the host switches automatically: `system-manager-upgrade.timer` starts
        `system-manager-upgrade.service`, which runs `system-manager switch`.
      '';
    };
    flake = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "github:example/hosts";
      description = "The flake to switch to. It is fetched again each time.";
    };
    file = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "/etc/hosts.d/system.nix";
      description = "A configuration file on the host to switch to, instead of a flake.";
    };
    toplevel = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "/var/lib/deployments/latest";
      description = ''
        A built toplevel to switch to, or a link to one, instead of a flake: nothing is evaluated on the host. You
        must copy it to the host together with its closure.
      '';
    };
    flags = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "--strict" ];
      description = "Additional arguments for the command.";
    };
    rollbackOnFailure = mkOption {
      type = types.bool;
      default = false;
      description = "Whether the host goes back to the previous generation if units fail.";
    };
    dates = mkOption {
      type = types.str;
      default = "04:40";
      example = "daily";
      description = "When to run, in the syntax of systemd.time(7).";
    };
    randomizedDelaySec = mkOption {
      type = types.str;
      default = "0";
      example = "45min";
      description = "A random delay before each run, so that not all hosts run at once; see systemd.time(7).";
    };
    fixedRandomDelay = mkOption {
      type = types.bool;
      default = false;
      description = "Whether a host's random delay is the same each time.";
    };
    persistent = mkOption {
      type = types.bool;
      default = true;
      description = "Whether to catch up on a run that was missed because the host was off.";
    };
    upgrade = mkOption {
      type = types.bool;
      default = true;
      description = "Whether to fetch the flake again instead of using Nix's cache.";
    };
    allowReboot = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Accepted for configurations that are also used on NixOS. The kernel is the distribution's and a switch needs
        no reboot, so this has no effect, and a warning says so.
      '';
    };
    rebootWindow = mkOption {
      type = types.nullOr (
        types.submodule {
          options = {
            lower = window "beginning" "01:00";
            upper = window "end" "05:00";
          };
        }
      );
      default = null;
      description = "Accepted for configurations that are also used on NixOS; like `allowReboot`, it has no effect.";
    };
    operation = mkOption {
      type = types.enum [
        "switch"
        "boot"
      ];
      default = "switch";
      description = "Accepted for configurations that are also used on NixOS; it is always `switch`.";
    };
    channel = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "Accepted for configurations that are also used on NixOS; there are no channels here.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = builtins.length (builtins.attrNames sources) == 1;
        message =
          "system.autoUpgrade.enable needs exactly one of system.autoUpgrade.{flake,file,toplevel}"
          + lib.optionalString (
            sources != { }
          ) ", and has ${lib.concatStringsSep ", " (builtins.attrNames sources)}";
      }
    ];
    warnings =
      lib.optional (systemManager.activator == null)
        "system.autoUpgrade runs the toplevel's program, and this toplevel has none: pass `activator` to default.nix"
      ++ lib.concatLists (
        lib.mapAttrsToList (
          name: isSet:
          lib.optional isSet "system.autoUpgrade.${name} has no effect: the kernel is the distribution's"
        ) unused
      );

    systemd.services.system-manager-upgrade = {
      description = "Switch to the host's configuration of today";
      wants = [ "network-online.target" ];
      after = [ "network-online.target" ];
      startAt = [ cfg.dates ];
      # It runs the switch that would restart it.
      restartIfChanged = false;
      unitConfig.X-StopOnRemoval = false;
      environment = {
        HOME = "/root";
        # Where Nix is on a distribution: its package, or the installer's profile.
        PATH = lib.mkForce "/nix/var/nix/profiles/default/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
      };
      serviceConfig = {
        Type = "oneshot";
        ExecStart = lib.escapeShellArgs ([ program ] ++ flags);
      };
    };
    systemd.timers.system-manager-upgrade.timerConfig = {
      RandomizedDelaySec = cfg.randomizedDelaySec;
      FixedRandomDelay = cfg.fixedRandomDelay;
      Persistent = cfg.persistent;
    };
  };
}
