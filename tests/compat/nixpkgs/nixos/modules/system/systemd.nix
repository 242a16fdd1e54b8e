# Declares what the core declares as well, and some more.
{ lib, pkgs, ... }:
{
  options = {
    systemd.package = lib.mkPackageOption pkgs "systemd" { };
    environment.etc = lib.mkOption {
      type = lib.types.attrsOf lib.types.anything;
      default = { };
      description = "Files.";
    };
    systemd.services = lib.mkOption {
      default = { };
      description = "Services.";
      type = lib.types.attrsOf (
        lib.types.submodule (
          { config, ... }:
          {
            options = {
              description = lib.mkOption {
                type = lib.types.int;
                description = "Of another type than ours.";
              };
              confinement.mode = lib.mkOption {
                type = lib.types.str;
                default = if config.confinement.enable then "full" else "none";
                description = "How much of it.";
              };
            };
            config.serviceConfig.Nice = 19;
          }
        )
      );
    };
    systemd.watchdog = lib.mkOption {
      type = lib.types.nullOr lib.types.int;
      default = null;
      description = "Seconds.";
    };
  };
}
