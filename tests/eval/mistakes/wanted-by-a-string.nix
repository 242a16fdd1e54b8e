{
  systemd.services.web = {
    wantedBy = "multi-user.target";
    script = "true";
  };
}
