# error: - webd can't take the port of ssh
{ modulesPath, ... }:
{
  imports = [ "${modulesPath}/services/web/webd" ];
  services.webd = {
    enable = true;
    port = 22;
  };
}
