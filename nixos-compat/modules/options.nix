# Whether and how NixOS modules are used.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  distributions = import ../host-packages/distributions.nix;
in
{
  options.nixos-compat = {
    enable = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Whether all options of NixOS are declared, and its modules can be imported, where a nixpkgs is at hand.
      '';
    };
    distribution = mkOption {
      type = types.enum (builtins.attrNames distributions);
      default = "debian-12";
      example = "fedora-43";
      description = "The distribution of the target: it decides about the paths and versions of its programs.";
    };
    distributionFacts = mkOption {
      type = types.attrsOf types.str;
      internal = true;
      readOnly = true;
      default = distributions.${config.nixos-compat.distribution};
      description = "What is known about the distribution.";
    };
    autoImport = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Whether the NixOS module of a service is imported as soon as an option of it is set, by the host or by a
        module that is imported. Without it, enabling such a service is an error that names the import.
      '';
    };
  };
}
