# What a NixOS module needs to be set besides being enabled, by the module's path below `nixos/modules`.
#
# A module that a nixpkgs lacks has no use for its case.
import ./backends.nix // import ./network.nix // import ./programs.nix
