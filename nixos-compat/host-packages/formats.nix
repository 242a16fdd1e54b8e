# `pkgs.formats`: the types and renderers of configuration files that modules declare `settings` with.
#
# Those of a nixpkgs are better where there is one, as far as they do not run programs to render a text.
{
  lib,
  # What files are written with.
  pkgs,
  # A set of packages beneath these, which may be empty.
  beneath,
}:
let
  inherit (pkgs) writeText;
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
  rendered = {
    inherit (own)
      json
      yaml
      yaml_1_1
      yaml_1_2
      toml
      ;
  };
  own = {
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
  };
  theirs = import (beneath.path + "/pkgs/pkgs-lib") { inherit lib pkgs; };
in
if beneath ? path then
  theirs.formats
  // builtins.mapAttrs (
    name: format: args:
    theirs.formats.${name} args // { inherit (format args) generate; }
  ) (builtins.intersectAttrs theirs.formats rendered)
else
  beneath.formats or { } // own
