# A packet filter: what is not opened here does not come in. Ports of ssh are open as long as nothing else is said.
#
#   system-manager switch --file examples/firewall.nix
#   nft list table inet system-manager
{
  nixos-compat.firewall.enable = true;

  networking.firewall = {
    allowedTCPPorts = [
      80
      443
    ];
    interfaces.eth1.allowedTCPPorts = [ 5432 ];
    trustedInterfaces = [ "wg0" ];
  };
}
