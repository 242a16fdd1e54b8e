# error: needs a nixpkgs
{ modulesPath, ... }:
{
  imports = [ "${modulesPath}/services/web-servers/nginx" ];
}
