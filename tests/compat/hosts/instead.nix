# What NixOS sets of a module goes with it, where the host has another in its place.
{ lib, ... }:
{
  disabledModules = [
    "misc/version.nix"
    "services/system/nix-daemon.nix"
  ];
  options.system.nixos.codename = lib.mkOption {
    type = lib.types.str;
    default = "another";
  };
  config.environment.etc."instead".text = "there";
}
