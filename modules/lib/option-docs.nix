# Data about declared options, for an option reference.
{ lib }:
let
  inherit (builtins)
    concatMap
    isAttrs
    mapAttrs
    isList
    ;
  inherit (lib.options) literalExpression showOption;

  # A value of the documentation as a literal expression.
  render =
    value:
    if value ? _type && value ? text then
      value
    else
      literalExpression (
        lib.generators.toPretty {
          multiline = true;
          allowPrettyValues = true;
        } value
      );

  attempt =
    what: loc: value:
    builtins.addErrorContext "while evaluating the ${what} of option `${showOption loc}'" value;

  entry =
    opt:
    let
      name = showOption opt.loc;
      visible = opt.visible or true;
    in
    {
      inherit (opt) loc;
      inherit name;
      description = opt.description or null;
      declarations = lib.filter (x: x != lib.options.unknownModule) opt.declarations;
      internal = opt.internal or false;
      visible = if lib.isBool visible then visible else visible == "shallow";
      readOnly = opt.readOnly or false;
      type = opt.type.description or "unspecified";
    }
    // lib.optionalAttrs (opt ? example) { example = attempt "example" opt.loc (render opt.example); }
    // lib.optionalAttrs (opt ? defaultText || opt ? default || opt.type.emptyValue ? value) {
      default = attempt "${if opt ? defaultText then "defaultText" else "default"}" opt.loc (
        render (opt.defaultText or opt.default or opt.type.emptyValue.value)
      );
    }
    // lib.optionalAttrs (opt.relatedPackages or null != null) { inherit (opt) relatedPackages; };
in
{
  renderOptionValue = render;

  # Replaces what can't be shown in documentation: derivations by their names.
  scrubOptionValue =
    let
      scrub =
        x:
        if lib.isDerivation x then
          x
          // {
            outPath = x.name;
            drvPath = x.name;
          }
        else if isList x then
          map scrub x
        else if isAttrs x then
          mapAttrs (_: scrub) (removeAttrs x [ "_args" ])
        else
          x;
    in
    scrub;

  # Every option of a set of options, with those of its submodules, as a list of plain data.
  optionAttrSetToDocList = lib.options.optionAttrSetToDocList' [ ];

  optionAttrSetToDocList' =
    _prefix: options:
    concatMap (
      opt:
      let
        doc = entry opt;
        visible = opt.visible or true;
        subOptions = opt.type.getSubOptions opt.loc;
      in
      [ doc ]
      ++ lib.optionals (visible == true || visible == "transparent") (
        lib.options.optionAttrSetToDocList' opt.loc subOptions
      )
    ) (lib.collect lib.isOption options);
}
