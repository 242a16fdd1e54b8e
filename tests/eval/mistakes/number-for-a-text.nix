{
  systemd.services.web.description = 5;
}
