# The units of the system.
{
  config,
  lib,
  build,
  ...
}:
let
  inherit (lib) mkOption types;
  unitTypes = import ./types.nix { inherit lib; };
  cfg = config.systemd;
  units = import ./units.nix { inherit lib build; } {
    inherit (cfg) enableStrictShellChecks;
  };

  # Targets that a configuration may name without declaring them. They are there where a unit does.
  targets = {
    "system-manager.target" = {
      text = "[Unit]\nDescription=All that this configuration starts\n";
      wantedBy = [ "default.target" ];
    };
    # It is restarted by each activation, before other units are.
    "sysinit-reactivation.target".text = "[Unit]\nDescription=What each activation runs again\n";
  };
  named = lib.genAttrs (units.named cfg) (_name: true);
in
{
  options.systemd = units.options // {
    globalEnvironment = mkOption {
      type = unitTypes.variables;
      default = { };
      example = {
        TZ = "UTC";
      };
      description = "Environment variables of all services that this configuration declares.";
    };
    enableStrictShellChecks = mkOption {
      type = types.bool;
      default = false;
      description = "The default of `systemd.services.<name>.enableStrictShellChecks`.";
    };
    defaultUnit = mkOption {
      type = types.nullOr unitTypes.unitName;
      default = null;
      example = "multi-user.target";
      description = "The unit that the host boots into; `null` keeps the distribution's choice.";
    };
  };

  config = {
    systemd.units = lib.mkMerge [
      (units.toUnits {
        scope = cfg;
        inherit (cfg) globalEnvironment;
      })
      (lib.mapAttrs (_name: target: target // { text = lib.mkDefault target.text; }) (
        builtins.intersectAttrs named targets
      ))
    ];
    systemd.timers = units.startAtTimers cfg.services;

    environment.etc = lib.mkIf (cfg.defaultUnit != null) {
      "systemd/system/default.target".source =
        if cfg.units ? ${toString cfg.defaultUnit} then
          "/etc/systemd/system/${cfg.defaultUnit}"
        else
          "/usr/lib/systemd/system/${cfg.defaultUnit}";
    };

    system.build.units = units.toManifest cfg.units;
    system.build.typeAdditions = units.additionsToTypes "system" cfg.units;
  };
}
