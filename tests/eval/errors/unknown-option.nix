# error: systemd.services.web.wantdBy
# error: does not exist
# error: unknown-option.nix:5
{
  systemd.services.web.wantdBy = [ "multi-user.target" ];
}
