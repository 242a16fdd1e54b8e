# Lines of tmpfiles.d, as text, as data and from packages.
{ pkgs, ... }:
{
  systemd.tmpfiles.rules = [
    "d /var/lib/app 0750 app app -"
    "L+ /run/app - - - - /var/lib/app"
  ];
  systemd.tmpfiles.settings = {
    "10-app" = {
      "/var/lib/app/it's here".d = {
        mode = "0700";
        age = "10d";
      };
      "/etc/app.default".f.argument = "line 1\nback\\slash";
      "/var/lib/both" = {
        d.user = "app";
        Z.group = "app";
      };
    };
    empty = { };
    # The rules' own file.
    "00-nixos"."/run/more".d.mode = "0755";
  };
  systemd.tmpfiles.packages = [ (pkgs.writeTextDir "lib/tmpfiles.d/shipped.conf" "d /shipped\n") ];
}
