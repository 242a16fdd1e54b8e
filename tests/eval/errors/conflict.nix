# error: systemd.services.web.serviceConfig.User
# error: conflicting
# error: conflict.nix:8
# error: conflict.nix:9
{ ... }:
{
  imports = [
    { systemd.services.web.serviceConfig.User = "a"; }
    { systemd.services.web.serviceConfig.User = "b"; }
  ];
}
