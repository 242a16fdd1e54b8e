# As many packages as the modules of this tree ask for.
{
  localSystem,
  overlays ? [ ],
  ...
}:
let
  lib = import ./lib;
  package =
    name: version:
    derivation {
      name = "${name}-${version}";
      inherit (localSystem) system;
      builder = "/none";
    }
    // {
      inherit version;
      pname = name;
      meta.mainProgram = name;
    };
  base = {
    inherit lib;
    platform = localSystem;
    webd = package "webd" "2.1";
    webdMinimal = package "webd-minimal" "2.1";
    storage = package "storage" "15.0" // {
      dataFormat = "15";
    };
    systemd = package "systemd" "257";
    servers.relay = package "relay" "0.9" // {
      withPackages = _choose: package "relay-with-extensions" "0.9" // { meta.mainProgram = "relay"; };
    };
    path = ./.;
    inherit
      (import ./pkgs/pkgs-lib {
        inherit lib;
        pkgs.writeText = builtins.toFile;
      })
      formats
      ;
  };
  final = builtins.foldl' (previous: overlay: previous // overlay final previous) base overlays;
in
final
