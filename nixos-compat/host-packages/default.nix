# A `pkgs` of the distribution's own programs, with builders and formats that need nothing but Nix.
{
  lib,
  build,
  hostPackage,
}:
let
  distributions = import ./distributions.nix;
in
{
  system,
  overlays ? [ ],
  # The distribution of the target, see distributions.nix.
  distribution ? distributions.debian-12,
  # The host's own additions to the table.
  packages ? { },
  # A set of packages for all that the table does not have.
  beneath ? { },
}:
let
  platform = import ./platform.nix { inherit lib system; };
  table =
    import ./programs.nix
    // import ./services.nix { inherit lib distribution; }
    // import ./further.nix { inherit lib distribution; }
    // import ./small.nix { inherit lib distribution; }
    // packages;
  # Further names of nixpkgs for the same program.
  aliases = lib.filterAttrs (name: _p: !(table ? ${name})) (
    lib.concatMapAttrs (name: others: lib.genAttrs others (_: table.${name})) (import ./aliases.nix)
  );
  hostPrograms = lib.mapAttrs (name: p: hostPackage ({ inherit name; } // p)) (table // aliases);
  # What modules ask of a package beyond the table, such as libraries for an interpreter, comes from beneath.
  programs = lib.mapAttrs (name: p: theirs name // p) hostPrograms;
  # An old name may be there only to tell of the new one.
  theirs =
    name:
    let
      package = builtins.tryEval (beneath.${name} or { });
    in
    if package.success then package.value else { };

  # Only without a set beneath: what can't be built here can be built there.
  own = final: {
    config = { };
    pkgs = final;
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

  base =
    final:
    (if beneath == { } then own final else beneath)
    // programs
    // import ./builders.nix {
      inherit
        lib
        build
        beneath
        final
        ;
    }
    // {
      inherit lib hostPackage hostPrograms;
      stdenv = (if beneath == { } then (own final).stdenv else beneath.stdenv or { }) // {
        inherit (build) shell;
        shellDryRun = "${build.shell} -n -O extglob";
      };
      # What runs in a build is no other than what runs on the target.
      buildPackages = final;
      # Files are called with what is here, and not with what is beneath.
      callPackage = lib.callPackageWith final;
      callPackages = lib.callPackagesWith final;
      newScope = extra: lib.callPackageWith (final // extra);
    };

  make =
    overlays:
    lib.fix (lib.foldl' (lib.flip lib.extends) base overlays)
    // {
      appendOverlays = more: make (overlays ++ more);
    };
in
make overlays
