# Types for values that are written as JSON, YAML, TOML and the like.
{ lib }:
let
  inherit (lib) types;
in
{
  # Whatever a format of nested values can hold.
  serializableValueWith =
    {
      typeName,
      nullable ? true,
    }:
    let
      atoms = types.oneOf [
        types.bool
        types.int
        types.float
        types.str
        types.path
        (types.attrsOf value)
        (types.listOf value)
      ];
      value = (if nullable then types.nullOr atoms else atoms) // {
        description = "${typeName} value";
        descriptionClass = "noun";
      };
    in
    value;

  # What `lib.mkLuaInline` makes.
  luaInline = lib.mkOptionType {
    name = "luaInline";
    description = "inline lua";
    descriptionClass = "noun";
    check = x: x._type or null == "lua-inline";
    merge = lib.options.mergeEqualOption;
  };

  json = types.serializableValueWith { typeName = "JSON"; };
  toml = types.serializableValueWith {
    typeName = "TOML";
    nullable = false;
  };
}
