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
        Whether to declare all options of NixOS and allow importing its modules, if there is a nixpkgs.
      '';
    };
    distribution = mkOption {
      type = types.enum (builtins.attrNames distributions);
      default = "debian-12";
      example = "fedora-43";
      description = "The distribution of the target; it determines the paths and versions of its programs.";
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
        Whether to import the NixOS module of a service as soon as the host or an imported module sets one of its
        options. Otherwise, enabling such a service is an error that names the import.
      '';
    };
  };
}
