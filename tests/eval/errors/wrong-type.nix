# error: systemd.services.web.wantedBy
# error: list of
# error: wrong-type.nix:6
{
  systemd.services.web = {
    wantedBy = "multi-user.target";
  };
}
