# error: /etc/systemd/system/web.service cannot be placed: /etc/systemd/system is an entry of its own
{
  environment.etc."systemd/system".source = ../folder;
  systemd.services.web.serviceConfig.ExecStart = "/bin/true";
}
