# The units of the users' service managers.
{
  config,
  lib,
  build,
  ...
}:
let
  cfg = config.systemd.user;
  units = import ./units.nix { inherit lib build; } {
    inherit (config.systemd) enableStrictShellChecks;
  };
in
{
  options.systemd.user = units.options;

  config = {
    systemd.user.units = units.toUnits {
      scope = cfg;
      inherit (config.systemd) globalEnvironment;
    };
    systemd.user.timers = units.startAtTimers cfg.services;

    system.build.userUnits = units.toManifest cfg.units;
    system.build.userTypeAdditions = units.additionsToTypes "user" cfg.units;
  };
}
