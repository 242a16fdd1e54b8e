# A configuration that uses a package of nixpkgs, three builds deep.
{ pkgs, ... }:
{
  systemd.services.hello = {
    wantedBy = [ "multi-user.target" ];
    script = "${pkgs.hello}/bin/hello";
  };
}
