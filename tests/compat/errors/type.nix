# error: A definition for option `services.webd.port' is not of type
# error: tests/compat/errors/type.nix
{ modulesPath, ... }:
{
  imports = [ "${modulesPath}/services/web/webd" ];
  services.webd = {
    enable = true;
    port = 123456;
  };
}
