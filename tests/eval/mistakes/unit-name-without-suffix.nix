{
  systemd.services.web = {
    after = [ "network" ];
    script = "true";
  };
}
