# What assertions of modules demand, and what their services can't do without.
let
  database =
    { lib, pkgs, ... }:
    {
      services.mysql.package = lib.mkDefault pkgs.mariadb;
    };
in
{
  "services/development/nixseparatedebuginfod.nix".services.nixseparatedebuginfod.allowOldNix = true;
  "services/hardware/nvidia-container-toolkit/default.nix".services.xserver.videoDrivers = [
    "nvidia"
  ];
  "services/backup/tsm.nix" = {
    services.tsmBackup.servername = "backup";
    programs.tsmClient.servers.backup = {
      nodename = "sample";
      tcpserveraddress = "backup.example.org";
      genPasswd = true;
    };
  };
  "services/mail/mailman.nix".services = {
    mailman.siteOwner = "root@example.org";
    mailman.webHosts = [ "lists.example.org" ];
    postfix = {
      enable = true;
      relayDomains = [ "hash:/var/lib/mailman/data/postfix_domains" ];
      config.transport_maps = [ "hash:/var/lib/mailman/data/postfix_lmtp" ];
      config.local_recipient_maps = [ "hash:/var/lib/mailman/data/postfix_lmtp" ];
    };
  };
  "services/monitoring/librenms.nix" = {
    services.librenms.database.host = "localhost";
    services.librenms.database.passwordFile = "/etc/password";
    time.timeZone = "UTC";
  };
  "services/monitoring/snmpd.nix".services.snmpd.configText = "rocommunity public localhost";
  "services/networking/atticd.nix".services.atticd.environmentFile = "/etc/environment";
  "services/networking/firefox-syncserver.nix" = {
    imports = [ database ];
    services.firefox-syncserver.secrets = "/etc/secrets";
  };
  "services/web-servers/mighttpd2.nix".services.mighttpd2.routing = "[localhost]\n/ -> /srv/www/\n";
  "services/mail/schleuder.nix".services.schleuder.settings.api = { };
  "services/matrix/mjolnir.nix".services.mjolnir.accessTokenFile = "/etc/token";
  "services/misc/anki-sync-server.nix".services.anki-sync-server.users = [
    {
      username = "sample";
      passwordFile = "/etc/password";
    }
  ];
  "services/misc/klipper.nix".services.klipper.settings.printer.kinematics = "none";
  "services/misc/sourcehut/default.nix".services.sourcehut.settings."sr.ht" = {
    global-domain = "example.org";
    owner-name = "sample";
    owner-email = "root@example.org";
    network-key = "/etc/key";
    service-key = "/etc/key";
  };
  "services/monitoring/metricbeat.nix".services.metricbeat.modules.system.metricsets = [ "cpu" ];
  "services/monitoring/mimir.nix".services.mimir.configuration.target = "all";
  "services/monitoring/opentelemetry-collector.nix".services.opentelemetry-collector.settings.receivers =
    { };
  "services/monitoring/parsedmarc.nix".services.parsedmarc = {
    provision.geoIp = false;
    settings.imap.host = "localhost";
    settings.imap.user = "sample";
    settings.imap.password = "/etc/password";
  };
  "services/monitoring/prometheus/sachet.nix".services.prometheus.sachet.configuration.providers =
    { };
  "services/monitoring/ups.nix".power.ups.upsmon.monitor.sample = {
    powerValue = 1;
    user = "sample";
    passwordFile = "/etc/password";
    system = "sample@localhost";
  };
  "services/networking/headscale.nix".services.headscale.settings.dns.base_domain = "net.example.org";
  "services/networking/jigasi.nix".services.jigasi = {
    xmppHost = "localhost";
    xmppDomain = "meet.example.org";
    userDomain = "auth.meet.example.org";
    userPasswordFile = "/etc/password";
    componentPasswordFile = "/etc/secret";
    bridgeMuc = "bridge@muc.meet.example.org";
  };
  "services/networking/netbird/server.nix".services.netbird.server = {
    domain = "net.example.org";
    management.oidcConfigEndpoint = "https://auth.example.org/.well-known/openid-configuration";
    management.turnDomain = "turn.example.org";
    dashboard.settings.AUTH_AUTHORITY = "https://auth.example.org";
  };
  "services/networking/routedns.nix".services.routedns.settings.listeners = { };
  "services/networking/scion/scion.nix".services.scion.bypassBootstrapWarning = true;
  "services/networking/shadowsocks.nix".services.shadowsocks.passwordFile = "/etc/password";
  "services/networking/stubby.nix".services.stubby.settings.resolution_type =
    "GETDNS_RESOLUTION_STUB";
  "services/networking/tailscale-derper.nix".services = {
    tailscale.derper.domain = "derp.example.org";
    nginx.virtualHosts."derp.example.org".enableACME = true;
  };
  "services/networking/tayga.nix".services.tayga = {
    ipv4 = {
      address = "192.0.2.1";
      router.address = "192.0.2.1";
      pool.address = "192.0.2.0";
      pool.prefixLength = 24;
    };
    ipv6 = {
      address = "2001:db8::1";
      router.address = "64:ff9b::1";
      pool.address = "64:ff9b::";
      pool.prefixLength = 96;
    };
  };
  "services/networking/webhook.nix".services.webhook.hooks.echo.execute-command = "echo";
  "services/networking/wg-access-server.nix".services.wg-access-server.settings.dns.enabled = true;
  "services/networking/xray.nix".services.xray.settings.inbounds = [ ];
  "services/networking/zapret.nix".services.zapret.params = [ "--dpi-desync=fake" ];
  "services/networking/nsd.nix".services.nsd.zones."example.org.".data = "";
  "services/system/kerberos/default.nix" =
    { pkgs, ... }:
    {
      security.krb5.enable = true;
      security.krb5.package = pkgs.krb5;
      services.kerberos_server.settings.realms."EXAMPLE.ORG" = { };
    };
  "services/tracing/tempo.nix".services.tempo.settings.target = "all";
  "services/web-apps/akkoma.nix".services.akkoma.config.":pleroma"."Pleroma.Upload".base_url =
    "https://media.example.org/media/";
  "services/web-apps/bluemap.nix".services.bluemap.eula = true;
  "services/web-apps/cloudlog.nix" = database;
  "services/web-apps/davis.nix".services.davis.mail.dsn = "smtp://localhost";
  "services/web-apps/dex.nix".services.dex.settings.storage.type = "sqlite3";
  "services/web-apps/flarum.nix" = database;
  "services/web-apps/freshrss.nix".services.freshrss = {
    baseUrl = "https://rss.example.org";
    passwordFile = "/etc/password";
  };
  "services/web-apps/galene.nix".services.galene.insecure = true;
  "services/web-apps/gotosocial.nix".services.gotosocial.settings.host = "social.example.org";
  "services/web-apps/keycloak.nix".services.keycloak.settings.hostname = "auth.example.org";
  "services/web-apps/mediagoblin.nix".services.nginx.virtualHosts.sample.enableACME = true;
  "services/web-apps/miniflux.nix".services.miniflux.adminCredentialsFile = "/etc/credentials";
  "services/web-apps/movim.nix".services.nginx.enable = true;
  "services/web-apps/nextcloud-notify_push.nix".services.nextcloud = {
    enable = true;
    hostName = "cloud.example.org";
    config.adminpassFile = "/etc/password";
  };
  "services/web-apps/pixelfed.nix".services.nginx.enable = true;
  "services/web-apps/rutorrent.nix".services.rtorrent.enable = true;
  "services/web-apps/wakapi.nix".services.wakapi.passwordSalt = "salt";
  "services/web-servers/garage.nix".services.garage.settings.replication_factor = 1;
  "services/web-servers/ttyd.nix".services.ttyd.writeable = true;
}
