# A packet filter with every kind of rule; the module opens a port as well.
{ modulesPath, ... }:
{
  imports = [ "${modulesPath}/services/web/webd" ];
  services.webd = {
    enable = true;
    openFirewall = true;
  };
  nixos-compat.firewall.enable = true;
  networking.firewall = {
    allowedTCPPorts = [
      443
      22
    ];
    allowedTCPPortRanges = [
      {
        from = 8000;
        to = 8010;
      }
    ];
    allowedUDPPorts = [ 53 ];
    interfaces.eth1.allowedUDPPorts = [ 514 ];
    trustedInterfaces = [ "wg0" ];
    allowPing = false;
    rejectPackets = true;
    extraInputRules = "ip saddr 192.0.2.0/24 accept";
  };
  services.openssh.ports = [ 2222 ];
}
