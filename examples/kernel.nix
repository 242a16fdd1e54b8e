# Parameters and modules of the kernel, now and after each boot.
#
#   system-manager switch --file examples/kernel.nix
#   sysctl net.ipv4.ip_forward
{
  boot.kernelModules = [ "br_netfilter" ];
  boot.kernel.sysctl = {
    "net.ipv4.ip_forward" = true;
    "vm.swappiness" = 10;
  };
}
