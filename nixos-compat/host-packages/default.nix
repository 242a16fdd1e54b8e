# The `pkgs` of a configuration without a nixpkgs: builders, formats, and the distribution's programs.
{
  lib,
  build,
  hostPackage,
}:
{
  system,
  overlays ? [ ],
}:
let
  platform = import ./platform.nix { inherit lib system; };
  programs = lib.mapAttrs (name: p: hostPackage ({ inherit name; } // p)) (import ./programs.nix);

  base =
    _final:
    programs
    // import ./builders.nix { inherit lib build; }
    // {
      inherit lib hostPackage;
      config = { };
      overlays = [ ];
      hostPlatform = platform;
      stdenv = {
        inherit system;
        hostPlatform = platform;
        buildPlatform = platform;
        targetPlatform = platform;
        isLinux = true;
        shell = build.shell;
        mkDerivation =
          args:
          throw "building `${
            args.name or args.pname or "a package"
          }` needs a nixpkgs\nhint: pass --nixpkgs PATH, or use a host package";
      };
    };
in
lib.fix (lib.foldl' (lib.flip lib.extends) base overlays)
