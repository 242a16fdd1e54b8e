# Modules written into `imports`: functions of nothing but `config`, which are no renamed options.
{ config, lib, ... }:
let
  tool =
    name:
    { config, ... }:
    {
      options.system.tools.${name}.enable = lib.mkEnableOption name // {
        default = config.system.installer != null;
      };
      config = lib.mkIf config.system.tools.${name}.enable {
        environment.etc."tools/${name}".text = config.system.installer;
      };
    };
in
{
  imports = [
    (tool "install")
    (tool "rebuild")
  ];
  options.system.installer = lib.mkOption {
    type = lib.types.nullOr lib.types.str;
    default = null;
    description = "What installs.";
  };
  config.system.installer = "installer";
}
