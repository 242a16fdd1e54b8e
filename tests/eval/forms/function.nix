# A function that gives a toplevel, by the Nix API that it is given.
{ system-manager, system, ... }:
system-manager.lib.makeSystemConfig {
  name = "named-${system}";
  specialArgs.greeting = "function";
  overlays = [ (_final: prev: { greeting = prev.lib.toUpper "overlay"; }) ];
  modules = [
    (
      { greeting, pkgs, ... }:
      {
        environment.etc."form".text = greeting;
        environment.etc."overlay".text = pkgs.greeting;
      }
    )
  ];
}
