{
  services.nginx.enable = true;
}
