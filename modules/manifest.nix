# The manifest: the data that the activator reads. Its form is that of the activator's `Manifest` type.
{
  config,
  lib,
  systemManager,
  ...
}:
let
  inherit (config.system) build;
  inherit (config.system-manager) basics blocks replaceExisting;
  additions = build.typeAdditions // build.userTypeAdditions;

  manifest = {
    version = 1;
    madeFrom = {
      inherit (config.system-manager) name;
      inherit (config.nixpkgs.hostPlatform) system;
      systemManager = systemManager.version;
      nixpkgs = if usesPackages then build.nixpkgsVersion else null;
    };
    etc = build.etcEntries // additions;
    inherit (build)
      units
      unitPackages
      userUnits
      tmpfiles
      tmpfilesPackages
      environment
      activationScripts
      hostRequirements
      preActivationChecks
      accounts
      ;
    userUnitPackages = build.unitPackages;
    packages = {
      sw = if build.sw == null then null else "${build.sw}";
      names = build.packageNames;
    };
    noEffect = map (e: { inherit (e) option definedIn; }) config.system-manager.noEffect;
  }
  // lib.optionalAttrs (build.secrets != [ ]) { inherit (build) secrets; }
  // lib.optionalAttrs (build.healthChecks != [ ]) { inherit (build) healthChecks; }
  // lib.optionalAttrs (basics != { }) { inherit basics; }
  // lib.optionalAttrs (replaceExisting != [ ]) { inherit replaceExisting; }
  // lib.optionalAttrs (blocks != { }) {
    blocks = lib.mapAttrs (_target: text: "${lib.removeSuffix "\n" text}\n") blocks;
  };

  # A nixpkgs that was given but whose packages are not used leaves no trace: what our own builders made is known
  # by its name.
  own = "${builtins.storeDir}/[^-]*-(etc|host|system-manager|tmpfiles|unit|X-Reload-Triggers|X-Restart-Triggers)-.*";
  named = removeAttrs manifest [ "madeFrom" ];
  context = builtins.getContext (builtins.toJSON named);
  isPackage = drv: !(context.${drv} ? path) && builtins.match own drv == null;
  usesPackages = lib.any isPackage (builtins.attrNames context);

  # Typed units have checked names, but `systemd.units` is free. A scope has no unit file.
  suffixes = lib.remove "scope" (import ./systemd/types.nix { inherit lib; }).suffixes;
  pattern = "([a-zA-Z0-9:_.\\-][a-zA-Z0-9:_.\\@-]*)[.](${lib.concatStringsSep "|" suffixes})";
  validName = name: builtins.match pattern name != null;
  badNames = lib.filter (n: !validName n) (
    builtins.attrNames manifest.units ++ builtins.attrNames manifest.userUnits
  );
  inEtc =
    folder: names: lib.filter (n: manifest.etc ? "systemd/${folder}/${n}") (builtins.attrNames names);
  # Asked for by the entries, of which few are there: what rules say may depend on what an assertion explains.
  tmpfilesInEtc = lib.filter (lib.hasPrefix "tmpfiles.d/") (builtins.attrNames manifest.etc);
  twice =
    inEtc "system" manifest.units
    ++ inEtc "user" manifest.userUnits
    ++ builtins.attrNames (builtins.intersectAttrs build.etcEntries additions);
in
{
  assertions = [
    {
      assertion = badNames == [ ];
      message = "systemd.units: not the name of a unit file: ${lib.concatStringsSep ", " badNames}";
    }
    {
      assertion = twice == [ ];
      message = "both environment.etc and systemd declare the unit: ${lib.concatStringsSep ", " twice}";
    }
    {
      assertion = lib.all (t: !(manifest.tmpfiles ? ${lib.removePrefix "tmpfiles.d/" t})) tmpfilesInEtc;
      message = "both environment.etc and systemd.tmpfiles declare a file in `/etc/tmpfiles.d`";
    }
  ];

  system.build.manifest = manifest;
}
