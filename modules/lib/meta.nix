# Packages' metadata and main programs.
{ lib }:
let
  inherit (builtins) isString;
in
rec {
  # The path of a package's main program.
  getExe =
    x:
    getExe' x (
      x.meta.mainProgram
        or (lib.warn "getExe: the package ${lib.strings.escapeNixIdentifier (x.meta.name or x.pname or x.name)} names no `meta.mainProgram', so the program is taken to be called as the package is. Use getExe' to name it." (
          lib.getName x
        ))
    );

  # The path of a program of a package.
  getExe' =
    x: y:
    if !(lib.isDerivation x) then
      throw "lib.meta.getExe': the package is a value of type ${builtins.typeOf x}, not a derivation"
    else if !(isString y) then
      throw "lib.meta.getExe': the program's name is a value of type ${builtins.typeOf y}, not a string"
    else if lib.hasInfix "/" y then
      throw "lib.meta.getExe': `${y}' has a slash: the name of a program in `bin' was expected"
    else
      "${lib.getBin x}/bin/${y}";

  addMetaAttrs = newAttrs: drv: drv // { meta = (drv.meta or { }) // newAttrs; };
  setName = name: drv: drv // { inherit name; };
  updateName = updater: drv: drv // { name = updater drv.name; };
  appendToName =
    suffix:
    updateName (
      name:
      let
        parsed = builtins.parseDrvName name;
      in
      "${parsed.name}-${suffix}-${parsed.version}"
    );
  setPrio = priority: addMetaAttrs { inherit priority; };
  lowPrio = setPrio 10;
  lowPrioSet = lib.mapAttrs (_: drv: if lib.isDerivation drv then lowPrio drv else drv);
  hiPrio = setPrio (-10);
  hiPrioSet = lib.mapAttrs (_: drv: if lib.isDerivation drv then hiPrio drv else drv);
  dontDistribute = addMetaAttrs { hydraPlatforms = [ ]; };
  mapDerivationAttrset = f: lib.mapAttrs (_: drv: if lib.isDerivation drv then f drv else drv);

  # Whether a pattern (a system's name, or a set of its parts) matches a platform.
  platformMatch =
    platform: elem:
    if isString elem then
      platform ? system && elem == platform.system
    else
      lib.matchAttrs (elem.parsed or elem) (platform.parsed or platform);
  availableOn =
    platform: pkg:
    (!(pkg ? meta.platforms) || lib.any (platformMatch platform) pkg.meta.platforms)
    && lib.all (elem: !(platformMatch platform elem)) (pkg.meta.badPlatforms or [ ]);
}
