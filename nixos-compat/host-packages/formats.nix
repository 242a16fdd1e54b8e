# `pkgs.formats`: the types and renderers of configuration files that modules declare `settings` with.
{ lib, writeText }:
let
  inherit (lib) types generators;

  # A value of JSON; definitions of nested sets are merged.
  value =
    (
      with types;
      nullOr (oneOf [
        bool
        int
        float
        str
        path
        (attrsOf value)
        (listOf value)
      ])
    )
    // {
      description = "JSON value";
    };
  atom =
    with types;
    nullOr (oneOf [
      bool
      int
      float
      str
    ]);
  atoms =
    args: if args.listsAsDuplicateKeys or false then types.either atom (types.listOf atom) else atom;

  json = {
    type = value;
    generate = name: v: writeText name (builtins.toJSON v);
  };
in
{
  json = _args: json;
  # Every JSON document is a YAML document.
  yaml = _args: json;
  yaml_1_1 = _args: json;
  yaml_1_2 = _args: json;

  toml = _args: {
    type = value;
    generate = name: v: writeText name (import ./toml.nix { inherit lib; } v);
  };

  ini = args: {
    type = types.attrsOf (types.attrsOf (atoms args));
    generate = name: v: writeText name (generators.toINI (removeAttrs args [ "listToValue" ]) v);
  };

  iniWithGlobalSection = args: {
    type = types.submodule {
      options = {
        globalSection = lib.mkOption {
          type = types.attrsOf (atoms args);
          default = { };
          description = "Keys without a section.";
        };
        sections = lib.mkOption {
          type = types.attrsOf (types.attrsOf (atoms args));
          default = { };
          description = "Keys by section.";
        };
      };
    };
    generate = name: v: writeText name (generators.toINIWithGlobalSection args v);
  };

  keyValue = args: {
    type = types.attrsOf (atoms args);
    generate = name: v: writeText name (generators.toKeyValue (removeAttrs args [ "listToValue" ]) v);
  };
}
