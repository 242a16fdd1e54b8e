# What a NixOS module needs to be set besides being enabled, by the module's path below `nixos/modules`.
#
# A module that a nixpkgs lacks has no use for its case, and options that it lacks are left out.
import ./newer.nix
// import ./backends.nix
// import ./network.nix
// import ./programs.nix
// import ./beyond-types.nix
// import ./demands.nix
