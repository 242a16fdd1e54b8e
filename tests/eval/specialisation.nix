# Variants: one that adds to the configuration, one that stands alone.
{ config, lib, ... }:
{
  environment.etc."which".text = lib.mkDefault "base\n";
  specialisation.debug.configuration =
    { config, ... }:
    {
      environment.etc."which".text = "${config.system-manager.name}\n";
    };
  specialisation.alone = {
    inheritParentConfig = false;
    configuration.environment.etc."alone".text = "alone\n";
  };
  # The parent's own view of its variants.
  environment.variables.VARIANTS = builtins.attrNames config.specialisation;
}
