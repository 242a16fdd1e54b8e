{
  imports = [ { systemd.services.web.serviceConfig.ExecStart = "/usr/bin/one"; } ];
  systemd.services.web.serviceConfig.ExecStart = "/usr/bin/two";
}
