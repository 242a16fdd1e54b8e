# Modular services: modules without a system, of which the system makes units.
{
  lib,
  config,
  pkgs,
  ...
}:
{
  options.system.services = lib.mkOption {
    default = { };
    description = "Services that several kinds of systems can run.";
    type = lib.types.attrsOf (
      lib.types.submoduleWith {
        class = "service";
        modules = [ ./service.nix ];
        specialArgs = { inherit pkgs; };
      }
    );
  };
  config.systemd.services = lib.mapAttrs (
    _name: service:
    { ... }:
    {
      imports = [ service.systemd.unit ];
    }
  ) config.system.services;
}
