# error: systemd.services.web.after
# error: systemd unit name
# error: unit-name.nix:5
{
  systemd.services.web.after = [ "network" ];
}
