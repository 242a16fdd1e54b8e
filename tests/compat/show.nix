# Evaluates a host and gives what came out, without building: unit and file texts, and what has no effect.
{
  file,
  nixpkgs,
  # A module library instead of the nixpkgs's own.
  library ? null,
}:
let
  lib = import ../../modules/lib;
  host =
    (import ../.. (
      { inherit nixpkgs; } // (if library == null then { } else { lib = import library; })
    )).evalFile
      { inherit file; };
  inherit (host) config;

  # Folders and store hashes are another on each machine.
  shown =
    text:
    let
      parts = builtins.split "${builtins.storeDir}/[0-9a-z]{32}-" text;
      plain = lib.concatMapStrings (p: if builtins.isString p then p else "STORE-") parts;
    in
    lib.replaceStrings [ "${toString ../..}/" ] [ "" ] plain;
  textOf = e: if e.text or null == null then shown "${e.source or "masked"}" else shown e.text;
in
builtins.seq host.drvPath {
  etc = lib.mapAttrs (_name: textOf) (lib.filterAttrs (_name: e: e.enable) config.environment.etc);
  inherit (config.system-manager) blocks;
  warnings = map shown config.warnings;
  units = lib.mapAttrs (_name: textOf) config.systemd.units;
  required = lib.listToAttrs (
    map (r: lib.nameValuePair r.path (r.install.debian or "?")) config.system.build.hostRequirements
  );
  users = lib.mapAttrs (_name: u: u.uid) config.system.build.accounts.users;
  groups = lib.attrNames config.system.build.accounts.groups;
  checks = map (c: c.name) config.system.build.preActivationChecks;
  scripts = map (s: s.name) config.system.build.activationScripts;
  tmpfiles = config.systemd.tmpfiles.rules;
  noEffect = lib.listToAttrs (
    map (e: lib.nameValuePair e.option (map shown e.definedIn)) config.system-manager.noEffect
  );
}
