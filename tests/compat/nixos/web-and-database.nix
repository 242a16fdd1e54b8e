# Two servers by the modules of a real nixpkgs, on the distribution's programs.
{ modulesPath, ... }:
{
  imports = [
    "${modulesPath}/services/web-servers/nginx"
    "${modulesPath}/services/databases/postgresql.nix"
  ];
  nixos-compat.hostPackages.enable = true;
  services.nginx.enable = true;
  services.nginx.virtualHosts."example.org".root = "/srv/www";
  services.postgresql = {
    enable = true;
    ensureDatabases = [ "app" ];
  };
}
