# Variants of the configuration, each with a toplevel of its own.
{
  config,
  lib,
  systemManager,
  ...
}:
let
  inherit (lib) mkOption types;

  # Keeps the definitions as modules for another evaluation.
  modules = lib.mkOptionType {
    name = "module";
    description = "module";
    merge =
      _loc:
      map (def: {
        _file = def.file;
        imports = [ def.value ];
      });
  };

  variant = {
    options = {
      inheritParentConfig = mkOption {
        type = types.bool;
        default = true;
        description = "Whether the variant extends this configuration instead of replacing it.";
      };
      configuration = mkOption {
        type = modules;
        default = { };
        apply = value: if builtins.isList value then value else [ value ];
        description = "The modules of the variant.";
      };
    };
  };
  wrongNames = lib.filter (name: builtins.match "[a-zA-Z0-9_][a-zA-Z0-9._+-]*" name == null) (
    builtins.attrNames config.specialisation
  );
in
{
  options.specialisation = mkOption {
    type = types.attrsOf (types.submodule variant);
    default = { };
    example = lib.literalExpression ''
      { debug.configuration = { environment.variables.DEBUG = "1"; }; }
    '';
    description = ''
      Variants of this configuration, below `specialisation/` in the toplevel. A variant has no
      variants of its own.
    '';
  };

  config.assertions = [
    {
      assertion = wrongNames == [ ];
      message = "specialisation: not the name of a file: ${toString wrongNames}";
    }
  ];
  config.system.build.specialisations = lib.mapAttrs (
    name: v:
    systemManager.variant {
      inherit name;
      inherit (v) inheritParentConfig;
      modules = v.configuration ++ [ { specialisation = lib.mkOverride 0 { }; } ];
    }
  ) config.specialisation;
}
