# Calling package functions, and overriding what they return.
{ lib }:
let
  inherit (builtins)
    attrNames
    intersectAttrs
    isAttrs
    mapAttrs
    ;
  inherit (lib) isFunction;
in
rec {
  overrideDerivation =
    drv: f:
    let
      new = derivation (drv.drvAttrs // f drv);
    in
    lib.extendDerivation true {
      meta = drv.meta or { };
      passthru = drv.passthru or { };
    } new;

  # Calls a function and adds `override`, which calls it again with other arguments.
  makeOverridable =
    f:
    # A function in the form of a set keeps its other attributes.
    (if isAttrs f then f else { })
    // lib.mirrorFunctionArgs f (
      args:
      let
        result = f args;
        with' = new: args // (if isFunction new then new args else new);
        again = g: makeOverridable (lib.mirrorFunctionArgs f (a: g (f a))) args;
        override = lib.mirrorFunctionArgs f (new: makeOverridable f (with' new));
      in
      if isAttrs result then
        result
        // {
          inherit override;
          overrideDerivation = fdrv: again (drv: overrideDerivation drv fdrv);
        }
        // lib.optionalAttrs (result ? overrideAttrs) {
          overrideAttrs = fattrs: again (drv: drv.overrideAttrs fattrs);
        }
      else if isFunction result then
        lib.setFunctionArgs result (lib.functionArgs result) // { inherit override; }
      else
        result
    )
    // lib.optionalAttrs (f ? override) { override = args: makeOverridable (f.override args); };

  # Calls a function with the arguments that a package set has for it.
  callPackageWith =
    autoArgs: fn: args:
    let
      f = if isFunction fn then fn else import fn;
      wanted = lib.functionArgs f;
      given = intersectAttrs wanted autoArgs // args;
      missing = lib.filter (name: !wanted.${name} && !(given ? ${name})) (attrNames wanted);
    in
    if missing == [ ] then
      makeOverridable f given
    else
      throw "lib.customisation.callPackageWith: the package set has no ${
        lib.concatMapStringsSep ", " (name: "`${name}'") missing
      }, which the function at ${
        let
          pos = builtins.unsafeGetAttrPos (lib.head missing) wanted;
        in
        if pos == null then "an unknown place" else "${pos.file}:${toString pos.line}"
      } asks for";

  callPackagesWith =
    autoArgs: fn: args:
    let
      f = if isFunction fn then fn else import fn;
      given = intersectAttrs (lib.functionArgs f) autoArgs // args;
      results = f given;
    in
    mapAttrs (name: _: makeOverridable (lib.mirrorFunctionArgs f (a: (f a).${name})) given) (
      lib.filterAttrs (n: _: n != "override" && n != "overrideDerivation") results
    );

  # Adds attributes to a derivation and all its outputs.
  extendDerivation =
    condition: passthru: drv:
    let
      outputs = drv.outputs or [ "out" ];
      common = drv // lib.listToAttrs outputList // { all = map (o: o.value) outputList; } // passthru;
      outputList = map (name: {
        inherit name;
        value = common // {
          inherit (drv.${name}) type outputName;
          outputSpecified = true;
          drvPath =
            assert condition;
            drv.${name}.drvPath;
          outPath =
            assert condition;
            drv.${name}.outPath;
        };
      }) outputs;
    in
    common
    // {
      drvPath =
        assert condition;
        drv.drvPath;
      outPath =
        assert condition;
        drv.outPath;
    };

  makeScope =
    newScope: f:
    let
      self = {
        newScope = scope: newScope (self // scope);
        callPackage = self.newScope { };
        overrideScope = g: makeScope newScope (lib.extends g f);
        packages = f;
      }
      // f self;
    in
    self;

}
