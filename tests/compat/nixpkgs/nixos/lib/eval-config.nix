# Evaluates a whole host, as NixOS does: all modules of the tree are in force, and NixOS's own make the units.
{
  system ? builtins.currentSystem,
  modules,
  specialArgs ? { },
  lib ? import ../../lib,
}:
let
  root = toString ../modules;
  # It declares what the layer has to put up with, and no NixOS could evaluate.
  isOfLayer = entry: builtins.isAttrs entry || toString entry == "${root}/system/systemd.nix";
in
lib.evalModules {
  modules =
    lib.filter (entry: !(isOfLayer entry)) (import ../modules/module-list.nix)
    ++ [
      ./system.nix
      { nixpkgs.system = lib.mkDefault system; }
    ]
    ++ modules;
  specialArgs = {
    modulesPath = root;
  }
  // specialArgs;
  class = "nixos";
}
