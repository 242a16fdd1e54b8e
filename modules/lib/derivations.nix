# Derivations that are only evaluated when they are needed.
{ lib }:
{
  # A set that stands for a derivation, with its outputs and metadata known without evaluating it.
  lazyDerivation =
    {
      derivation,
      meta ? null,
      passthru ? { },
      outputs ? [ "out" ],
    }:
    let
      checked =
        assert lib.assertMsg (
          derivation.type or null == "derivation"
        ) "lazyDerivation: what it is given is no derivation";
        derivation;
    in
    {
      type = "derivation";
      inherit (checked)
        outPath
        outputName
        drvPath
        name
        system
        ;
      inherit outputs meta;
    }
    // lib.genAttrs outputs (name: checked.${name})
    // passthru;

  optionalDrvAttr = cond: value: if cond then value else null;

  warnOnInstantiate =
    message: drv:
    let
      withWarning = lib.mapAttrs (_: lib.warn message) (
        removeAttrs drv [
          "meta"
          "name"
          "type"
        ]
      );
    in
    drv // withWarning;
}
