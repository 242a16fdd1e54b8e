# Applications.
let
  # They run on Oracle's Java, of which the licence has to be accepted.
  java.nixpkgs.config.oraclejdk.accept_license = true;
in
{
  "services/admin/oxidized.nix".services.oxidized = {
    routerDB = "/etc/router.db";
    configFile = "/etc/oxidized.yml";
  };
  "services/continuous-integration/buildkite-agent.nix".services.buildkite-agent = {
    openssh.privateKeyPath = "/etc/key";
    openssh.publicKeyPath = "/etc/key.pub";
    tokenPath = "/etc/token";
  };
  "services/continuous-integration/hydra/default.nix".services.hydra = {
    hydraURL = "https://hydra.example.org";
    notificationSender = "hydra@example.org";
  };
  "services/development/jupyter/default.nix".services.jupyter.password = "'sha1:1'";
  "services/games/minecraft-server.nix".services.minecraft-server.eula = true;
  "services/hardware/lirc.nix".services.lirc = {
    options = "";
    configs = [ ];
  };
  "services/misc/autofs.nix".services.autofs.autoMaster = "";
  "services/misc/calibre-server.nix".services.calibre-server.libraryDir = "/srv/books";
  "services/misc/cfdyndns.nix".services.cfdyndns = {
    email = "root@example.org";
  };
  "services/misc/cpuminer-cryptonight.nix".services.cpuminer-cryptonight = {
    url = "http://localhost";
    user = "user";
    pass = "pass";
  };
  "services/misc/exhibitor.nix".services.exhibitor.configType = "none";
  "services/misc/gammu-smsd.nix".services.gammu-smsd.device.path = "/dev/ttyUSB0";
  "services/misc/gitlab.nix".services.gitlab = {
    databasePassword = "secret";
    initialRootPassword = "secret";
    secrets = {
      secret = "secret";
      otp = "secret";
      db = "secret";
      jws = "secret";
      secretFile = "/etc/secret";
      otpFile = "/etc/secret";
      dbFile = "/etc/secret";
      jwsFile = "/etc/secret";
    };
    initialRootPasswordFile = "/etc/password";
    databasePasswordFile = "/etc/password";
  };
  "services/misc/gitolite.nix".services.gitolite.adminPubkey = "ssh-ed25519 AAAA";
  "services/misc/mantisbt.nix" =
    { pkgs, ... }:
    {
      services.mysql.package = pkgs.mysql;
      services.httpd.adminAddr = "root@example.org";
    };
  "services/misc/mesos-slave.nix".services.mesos.slave = {
    master = "localhost:5050";
    attributes = { };
  };
  "services/misc/osrm.nix".services.osrm.dataFile = "/srv/map.osrm";
  "services/misc/zoneminder.nix".time.timeZone = "UTC";
  "services/misc/siproxd.nix".services.siproxd = {
    ifInbound = "eth0";
    ifOutbound = "eth1";
  };
  "services/misc/synergy.nix".services.synergy.client.serverAddress = "localhost";
  "services/torrent/flexget.nix" = {
    services.flexget.config = "tasks: {}";
    time.timeZone = "UTC";
  };
  "services/web-apps/atlassian/confluence.nix" = java;
  "services/web-apps/atlassian/crowd.nix" = {
    imports = [ java ];
    services.crowd.openidPassword = "secret";
  };
  "services/web-apps/atlassian/jira.nix" = java;
  "services/web-apps/codimd.nix".services.codimd.configuration.dbURL = "postgres:///codimd";
  "services/web-apps/documize.nix".services.documize.db = "host=localhost";
  "services/web-apps/frab.nix".services.frab = {
    host = "frab.example.org";
    fromEmail = "frab@example.org";
    secretKeyBase = "secret";
    database = { };
  };
  "services/web-apps/matomo.nix".services.matomo.webServerUser = "www-data";
  "services/web-apps/nextcloud.nix".services.nextcloud = {
    hostName = "cloud.example.org";
    config.adminpass = "secret";
  };
  "services/web-apps/pgpkeyserver-lite.nix".services.pgpkeyserver-lite.hostname = "keys.example.org";
  "services/web-apps/tt-rss.nix".services.tt-rss.selfUrlPath = "https://rss.example.org";
  "services/web-apps/virtlyst.nix".services.virtlyst.adminPassword = "secret";
  "services/web-servers/apache-httpd/default.nix".services.httpd.adminAddr = "root@example.org";
  "services/web-servers/hitch/default.nix".services.hitch = {
    backend = "[localhost]:80";
    pem-files = [ ];
  };
  "services/web-servers/varnish/default.nix".services.varnish.config = "vcl 4.0;";
  "services/x11/display-managers/auto.nix".services.xserver.enable = true;
  "services/x11/display-managers/gdm.nix".services.xserver.enable = true;
  "services/x11/display-managers/lightdm.nix".services.xserver.enable = true;
  "services/x11/display-managers/sddm.nix".services.xserver.enable = true;
  "services/x11/redshift.nix".location = {
    latitude = 1.0;
    longitude = 1.0;
  };
  "services/x11/xfs.nix".fonts.enableFontDir = true;
}
