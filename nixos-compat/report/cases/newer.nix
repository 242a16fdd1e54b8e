# Modules that NixOS got after 19.09, or that ask for more since.
{
  "services/audio/snapserver.nix".services.snapserver.streams.music = {
    type = "pipe";
    location = "/run/snapserver/music";
  };
  "services/backup/tsm.nix".services.tsmBackup.servername = "backup";
  "services/backup/zfs-replication.nix".services.zfs.autoReplication = {
    host = "backup.example.org";
    identityFilePath = "/etc/key";
    localFilesystem = "tank/data";
    remoteFilesystem = "tank/backup";
    username = "backup";
  };
  "services/desktops/flatpak.nix".xdg.portal.enable = true;
  "services/hardware/fancontrol.nix".hardware.fancontrol.config = "INTERVAL=10";
  "services/mail/sympa.nix".services.sympa = {
    domains."lists.example.org" = { };
    database.user = "sympa";
    database.name = "sympa";
  };
  "services/misc/mame.nix".services.mame = {
    user = "player";
    hostAddr = "10.0.0.1";
    emuAddr = "10.0.0.2";
  };
  "services/matrix/synapse.nix".services.matrix-synapse = {
    log = { };
    settings = {
      server_name = "example.org";
      database.name = "sqlite3";
      database.args.database = "/var/lib/matrix-synapse/data";
    };
  };
  "services/monitoring/loki.nix".services.loki.configFile = "/etc/loki.yml";
  "services/monitoring/zabbix-agent.nix".services.zabbixAgent.server = "localhost";
  "services/monitoring/zabbix-proxy.nix".services.zabbixProxy.server = "localhost";
  "services/network-filesystems/orangefs/server.nix".services.orangefs.server = {
    dataStorageSpace = "/srv/data";
    metadataStorageSpace = "/srv/meta";
  };
  "services/networking/go-neb.nix".services.go-neb = {
    baseUrl = "https://neb.example.org";
    config = { };
  };
  "services/networking/go-shadowsocks2.nix".services.go-shadowsocks2.server.listenAddress = ":8388";
  "services/networking/jicofo.nix".services.jicofo = {
    xmppHost = "localhost";
    xmppDomain = "meet.example.org";
    userDomain = "auth.meet.example.org";
    userPasswordFile = "/etc/password";
    componentPasswordFile = "/etc/secret";
    bridgeMuc = "bridge@muc.meet.example.org";
  };
  "services/networking/ncdns.nix".services.namecoind.rpc.password = "secret";
  "services/networking/prosody.nix".services.prosody.xmppComplianceSuite = false;
  "services/networking/rdnssd.nix".networking.resolvconf.enable = true;
  "services/networking/v2ray.nix".services.v2ray.config = { };
  "services/security/privacyidea.nix".services.privacyidea = {
    secretKey = "secret";
    pepper = "pepper";
  };
  "services/web-apps/engelsystem.nix".services.engelsystem.domain = "shifts.example.org";
  "services/web-apps/gerrit.nix".services.gerrit.serverId = "00000000-0000-0000-0000-000000000000";
  "services/web-apps/gotify-server.nix".services.gotify.port = 8080;
  "services/web-apps/grocy.nix".services.grocy.hostName = "grocy.example.org";
  "services/web-apps/jitsi-meet.nix".services.jitsi-meet.hostName = "meet.example.org";
  "services/web-apps/limesurvey.nix".services.limesurvey = {
    encryptionKeyFile = "/etc/key";
    encryptionNonceFile = "/etc/nonce";
    virtualHost.hostName = "survey.example.org";
    virtualHost.adminAddr = "root@example.org";
  };
  "services/web-apps/mediawiki.nix".services.mediawiki = {
    passwordFile = "/etc/password";
    httpd.virtualHost.hostName = "wiki.example.org";
    httpd.virtualHost.adminAddr = "root@example.org";
  };
  "services/web-apps/moodle.nix".services.moodle = {
    initialPassword = "secret";
    virtualHost.hostName = "moodle.example.org";
    virtualHost.adminAddr = "root@example.org";
  };
  "services/web-apps/sogo.nix".services.sogo.timezone = "UTC";
  "services/web-apps/zabbix.nix".services.zabbixWeb.virtualHost = {
    hostName = "zabbix.example.org";
    adminAddr = "root@example.org";
  };
  "services/web-servers/darkhttpd.nix".services.darkhttpd.rootDir = "/srv/www";
  "services/web-servers/molly-brown.nix".services.molly-brown = {
    certPath = "/etc/cert.pem";
    keyPath = "/etc/key.pem";
    docBase = "/srv/gemini";
  };
  "services/x11/clight.nix".location = {
    latitude = 1.0;
    longitude = 1.0;
  };
  "services/x11/hardware/cmt.nix".services.xserver.cmt.models = "swanky";
}
