# Statements about the configuration that must hold, and notes to whoever builds it.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.assertions = mkOption {
    type = types.listOf types.unspecified;
    default = [ ];
    example = [
      {
        assertion = false;
        message = "you can't enable this for that reason";
      }
    ];
    description = ''
      Conditions that must be true for the configuration to be built. All failed assertions are listed at once.
    '';
  };

  options.warnings = mkOption {
    type = types.listOf types.str;
    default = [ ];
    example = [ "The `foo` service is deprecated." ];
    description = "Messages that are shown when the configuration is evaluated.";
  };
}
