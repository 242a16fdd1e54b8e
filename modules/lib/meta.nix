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
        or (lib.warn "getExe: Package ${lib.strings.escapeNixIdentifier (x.meta.name or x.pname or x.name)} does not have the meta.mainProgram attribute. Its name is taken for the program's: use getExe' to name the program." (
          lib.getName x
        ))
    );

  # The path of a program of a package.
  getExe' =
    x: y:
    if !(lib.isDerivation x) then
      throw "lib.meta.getExe': The first argument is of type ${builtins.typeOf x}, but it should be a derivation"
    else if !(isString y) then
      throw "lib.meta.getExe': The second argument is of type ${builtins.typeOf y}, but it should be a string"
    else if lib.hasInfix "/" y then
      throw "lib.meta.getExe': The second argument \"${y}\" is a nested path with a \"/\" character, but it should just be the name of the executable"
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

  getLicenseFromSpdxId =
    id: getLicenseFromSpdxIdOr id (throw "getLicenseFromSpdxId: no license has the SPDX id ${id}");
  getLicenseFromSpdxIdOr =
    id: default:
    lib.findFirst (license: lib.toLower license.spdxId or "" == lib.toLower id) default (
      lib.attrValues lib.licenses
    );
}
