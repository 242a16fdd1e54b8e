# An old name brings the module of the new one and is no setting without effect; what a module sets that ours replace is none of the host's.
{ modulesPath, ... }:
{
  imports = [ "${modulesPath}/config/networking.nix" ];
  services.httpd = {
    enable = true;
    port = 8080;
  };
  networking.dhcpcd.denyInterfaces = [ "veth*" ];
}
