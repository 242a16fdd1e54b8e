# Databases, mail, monitoring and what else serves other programs.
{
  "services/backup/bacula.nix".services.bacula-dir.password = "secret";
  "services/backup/duplicity.nix".services.duplicity = {
    targetUrl = "file:///backup";
    root = "/srv";
  };
  "services/backup/postgresql-backup.nix".services.postgresql.enable = true;
  "services/databases/4store.nix".services.fourStore.database = "db";
  "services/databases/4store-endpoint.nix".services.fourStoreEndpoint.database = "db";
  "services/databases/cockroachdb.nix".services.cockroachdb = {
    insecure = true;
    locality = "region=here";
  };
  "services/databases/foundationdb.nix" =
    { pkgs, ... }:
    {
      services.foundationdb.package = pkgs.foundationdb;
    };
  "services/databases/mysql.nix" =
    { pkgs, ... }:
    {
      services.mysql.package = pkgs.mariadb or pkgs.mysql;
    };
  "services/databases/openldap.nix".services.openldap = {
    suffix = "dc=example";
    rootdn = "cn=root,dc=example";
    rootpw = "secret";
  };
  "services/logging/SystemdJournal2Gelf.nix".services.SystemdJournal2Gelf.graylogServer =
    "localhost:12201";
  "services/logging/graylog.nix".services.graylog = {
    passwordSecret = "secret";
    rootPasswordSha2 = "00";
    elasticsearchHosts = [ "http://localhost" ];
  };
  "services/mail/clamsmtp.nix" = {
    services.clamav.daemon.enable = true;
    services.clamsmtp.instances = [ ];
  };
  "services/mail/davmail.nix".services.davmail.url = "https://mail.example.org";
  "services/mail/dkimproxy-out.nix".services.dkimproxy-out = {
    listen = "127.0.0.1:10027";
    relay = "127.0.0.1:10028";
    domains = [ "example.org" ];
    selector = "mail";
  };
  "services/mail/opendkim.nix".services.opendkim.selector = "mail";
  "services/mail/opensmtpd.nix".services.opensmtpd.serverConfiguration = "listen on localhost";
  "services/mail/pfix-srsd.nix".services.pfix-srsd.domain = "example.org";
  "services/mail/rss2email.nix".services.rss2email = {
    to = "root@localhost";
    feeds = { };
  };
  "services/mail/roundcube.nix" = {
    services.roundcube.hostName = "mail.example.org";
    services.roundcube.database.password = "secret";
    security.acme.email = "root@example.org";
    security.acme.acceptTerms = true;
  };
  "services/monitoring/datadog-agent.nix".services.datadog-agent.apiKeyFile = "/etc/key";
  "services/monitoring/dd-agent/dd-agent.nix".services.dd-agent.api_key = "key";
  "services/monitoring/heapster.nix".services.heapster = {
    source = "kubernetes";
    sink = "log";
  };
  "services/monitoring/longview.nix".services.longview.apiKey = "key";
  "services/monitoring/nagios.nix".services.nagios = {
    objectDefs = [ ];
    plugins = [ ];
  };
  "services/monitoring/prometheus/alertmanager.nix".services.prometheus.alertmanager.configText =
    "route: {}";
  "services/monitoring/riemann.nix".services.riemann.configFile = "/etc/riemann.config";
  "services/monitoring/riemann-dash.nix".services.riemann-dash.config = "";
  "services/search/elasticsearch-curator.nix".services.elasticsearch-curator.actionYAML =
    "actions: {}";
  "services/search/hound.nix".services.hound.config = "{}";
  "services/security/certmgr.nix".services.certmgr.specs.web = "/etc/spec";
  "services/security/hologram-server.nix".services.hologram-server = {
    awsAccount = "1";
    awsDefaultRole = "role";
    ldapBaseDN = "dc=example";
    ldapBindDN = "cn=x";
    ldapBindPassword = "secret";
    ldapHost = "localhost";
  };
  "services/security/shibboleth-sp.nix".services.shibboleth-sp.configFile = "/etc/shibboleth.xml";
}
