# What modules of 24.11 ask for beyond a value by its type.
let
  kubernetes = {
    services.kubernetes = {
      roles = [ "master" ];
      masterAddress = "localhost";
      kubelet.hostname = "host";
    };
  };
in
{
  "services/admin/docuum.nix".virtualisation.docker.enable = true;
  "services/audio/gonic.nix".services.gonic.settings = {
    music-path = [ "/srv/music" ];
    podcast-path = "/srv/podcasts";
    playlists-path = "/srv/playlists";
  };
  "services/backup/snapraid.nix".services.snapraid.contentFiles = [ "/srv/a" ];
  "services/cluster/kubernetes/flannel.nix" = kubernetes;
  "services/cluster/kubernetes/pki.nix" = kubernetes;
  "services/cluster/pacemaker/default.nix".services.corosync = {
    enable = true;
    clusterName = "sample";
    nodelist = [ ];
  };
  "services/cluster/patroni/default.nix" =
    { pkgs, ... }:
    {
      services.patroni.postgresqlPackage = pkgs.postgresql;
    };
  "services/display-managers/sddm.nix".services.displayManager.sddm.wayland.enable = true;
  "services/hardware/keyd.nix".hardware.uinput.enable = true;
  "services/mail/stalwart-mail.nix".services.stalwart-mail.settings.server.listener = { };
  "services/monitoring/nezha-agent.nix".services.nezha-agent = {
    server = "sample.example.org:5555";
    passwordFile = "/etc/password";
  };
  "services/networking/hostapd.nix".services.hostapd.radios.wlan0 = {
    channel = 7;
    networks.wlan0 = {
      ssid = "sample";
      authentication.saePasswords = [ { password = "a password"; } ];
    };
  };
  "services/networking/sitespeed-io.nix".services.sitespeed-io.runs = [
    { urls = [ "https://www.example.org" ]; }
  ];
  "services/web-apps/peertube.nix".services.peertube = {
    localDomain = "video.example.org";
    listenWeb = 443;
    enableWebHttps = true;
    database.createLocally = true;
    redis.createLocally = true;
    secrets.secretsFile = "/etc/secret";
  };
  "services/web-apps/writefreely.nix".services.writefreely.host = "blog.example.org";
}
