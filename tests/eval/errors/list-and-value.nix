# error: systemd.services.web.serviceConfig.ExecStart
# error: list-and-value.nix:6
# error: list-and-value.nix:7
{
  imports = [
    { systemd.services.web.serviceConfig.ExecStart = "/bin/a"; }
    { systemd.services.web.serviceConfig.ExecStart = [ "/bin/b" ]; }
  ];
}
