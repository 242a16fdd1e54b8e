{ modulesPath, ... }:
{
  imports = [ "${modulesPath}/services/web-servers/nginx" ];
}
