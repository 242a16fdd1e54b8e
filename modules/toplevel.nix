# The toplevel: one store path that holds all that a target needs.
{
  config,
  lib,
  build,
  systemManager,
  ...
}:
let
  inherit (config.system.build) manifest;

  line = lib.concatStringsSep "\t";
  file = lines: lib.concatMapStrings (l: "${l}\n") lines;

  # Lines of `KIND NAME SOURCE ...`, see toplevel.sh.
  etcLines = lib.mapAttrsToList (
    target: e:
    line [
      "etc"
      target
      e.source
    ]
  ) manifest.etc;
  unitLines =
    scope: units:
    lib.mapAttrsToList (
      name: u:
      line [
        "unit"
        scope
        name
        (if u.source == null then "/dev/null" else u.source)
        u.overrideStrategy
      ]
    ) units;
  edgeLines =
    scope: units:
    lib.concatLists (
      lib.mapAttrsToList (
        name: u:
        let
          edge =
            kind: other:
            line [
              kind
              scope
              name
              other
            ];
        in
        map (edge "alias") u.aliases
        ++ map (edge "wants") u.wantedBy
        ++ map (edge "requires") u.requiredBy
        ++ map (edge "upholds") u.upheldBy
      ) units
    );
  packageLines =
    map (
      p:
      line [
        "units-of"
        p
      ]
    ) manifest.unitPackages
    ++ map (
      p:
      line [
        "tmpfiles-of"
        p
      ]
    ) manifest.tmpfilesPackages;
  tmpfilesLines = lib.mapAttrsToList (
    name: source:
    line [
      "etc"
      "tmpfiles.d/${name}"
      source
    ]
  ) manifest.tmpfiles;

  toplevel = build.run {
    name = "system-manager-${config.system-manager.name}";
    script = builtins.readFile ./toplevel.sh;
    env = {
      manifest = builtins.toJSON manifest;
      inherit (config.system.build) provenance;
      tree = file (
        packageLines
        ++ etcLines
        ++ tmpfilesLines
        ++ unitLines "system" manifest.units
        ++ unitLines "user" manifest.userUnits
        ++ edgeLines "system" manifest.units
        ++ edgeLines "user" manifest.userUnits
      );
      specialisations = file (
        lib.mapAttrsToList (
          name: v:
          line [
            name
            "${v.config.system.build.toplevel}"
          ]
        ) config.system.build.specialisations
      );
      sw = toString config.system.build.toplevelSw;
      activator = toString systemManager.activator;
      # They only have to build.
      checks = map (c: "${c}") config.system.checks;
    };
    passAsFile = [
      "manifest"
      "provenance"
      "tree"
      "specialisations"
      "checks"
    ];
  };

  failed = map (a: a.message) (lib.filter (a: !a.assertion) config.assertions);
  checked =
    if failed != [ ] then
      throw "Failed assertions:\n${lib.concatMapStringsSep "\n" (m: "- ${m}") failed}"
    else
      lib.foldr (w: builtins.trace "warning: ${w}") toplevel config.warnings;
in
{
  system.build.toplevel = checked;
}
