# Whether the host speaks IPv6.
{ config, lib, ... }:
{
  options.networking.enableIPv6 = lib.mkOption {
    type = lib.types.bool;
    default = true;
    description = ''
      Whether to use IPv6. `false` turns it off for all present and future interfaces, using sysctl.
    '';
  };

  config.boot.kernel.sysctl = lib.mkIf (!config.networking.enableIPv6) {
    "net.ipv6.conf.all.disable_ipv6" = true;
    "net.ipv6.conf.default.disable_ipv6" = true;
  };
}
