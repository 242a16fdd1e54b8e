{
  systemd.services.web.wantdBy = [ "multi-user.target" ];
}
