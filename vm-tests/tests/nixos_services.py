"""Services as data: how a NixOS module of each is configured, and how one sees that it answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Service:
    """A service that a module runs: with each of two ports, the command says whether it answers there."""

    unit: str
    configuration: str
    first: str
    second: str
    probe: str
    leaves: tuple[str, ...] = ()
    """What the service itself makes below /etc and leaves there, as shell patterns."""
    complaints: tuple[str, ...] = ()
    """What the judges say of what the module itself chose."""
    prepare: str = "true"
    """What the machine needs before, as a command."""


def tcp(say: str, answer: str) -> str:
    """Gives a command that says something to a server on port VALUE and looks for its answer."""
    return f"printf '{say}' | timeout 10 nc -w 3 localhost VALUE | grep --quiet --text '{answer}'"


DNS = """python3 -I -c '
import socket, struct
query = struct.pack(">6H", 1, 256, 1, 0, 0, 0) + b"\\4host\\4test\\0" + struct.pack(">2H", 1, 1)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.sendto(query, ("127.0.0.1", VALUE))
assert bytes([10, 1, 2, 3]) in s.recv(512)
'"""

SERVICES = {
    "services/databases/redis.nix": Service(
        "redis.service",
        'services.redis.servers."" = { enable = true; port = VALUE; };',
        "6379",
        "6380",
        "redis-cli -p VALUE set k v && test $(redis-cli -p VALUE get k) = v",
    ),
    "services/databases/memcached.nix": Service(
        "memcached.service",
        "services.memcached = { enable = true; port = VALUE; };",
        "11211",
        "11212",
        tcp("set k 0 60 1\\r\\nv\\r\\nget k\\r\\nquit\\r\\n", "V.LUE k 0 1"),
    ),
    "services/misc/beanstalkd.nix": Service(
        "beanstalkd.service",
        "services.beanstalkd = { enable = true; listen.port = VALUE; };",
        "11300",
        "11301",
        tcp("put 0 0 10 1\\r\\nx\\r\\nquit\\r\\n", "INSERTED"),
        # systemd moves what Debian's package made, which the file system of a container does not do.
        prepare="rmdir /var/lib/beanstalkd",
    ),
    "services/monitoring/prometheus/exporters.nix": Service(
        "prometheus-node-exporter.service",
        "services.prometheus.exporters.node = { enable = true; port = VALUE; };",
        "9100",
        "9101",
        "curl --fail --silent http://localhost:VALUE/metrics | grep --quiet ^node_",
    ),
    "services/networking/haproxy.nix": Service(
        "haproxy.service",
        """services.haproxy = { enable = true; config = ''
          defaults
            mode http
            timeout client 5s
            timeout server 5s
            timeout connect 5s
          frontend web
            bind *:VALUE
            http-request return status 200 content-type text/plain string found
        ''; };""",
        "8081",
        "8082",
        "test $(curl --fail --silent http://localhost:VALUE/) = found",
    ),
    "services/network-filesystems/rsyncd.nix": Service(
        "rsync.service",
        """services.rsyncd = {
          enable = true;
          settings.data = { path = "/etc/ssl"; comment = "VALUE"; };
        };""",
        "shared",
        "common",
        "rsync rsync://localhost/ | grep --quiet VALUE",
    ),
    "services/audio/icecast.nix": Service(
        "icecast.service",
        """services.icecast = {
          enable = true;
          hostname = "radio.example.org";
          admin.password = "secret";
          listen.port = VALUE;
        };""",
        "8000",
        "8001",
        "curl --fail --silent http://localhost:VALUE/status-json.xsl | grep --quiet icestats",
    ),
    "services/networking/dnsmasq.nix": Service(
        "dnsmasq.service",
        """services.dnsmasq = {
          enable = true;
          resolveLocalQueries = false;
          settings = { port = VALUE; address = "/host.test/10.1.2.3"; };
        };""",
        "5353",
        "5354",
        DNS,
        # Its script makes them itself.
        leaves=("dnsmasq-conf.conf", "dnsmasq-resolv.conf"),
    ),
    "services/networking/ssh/sshd.nix": Service(
        "ssh.service",
        "services.openssh = { enable = true; ports = [ VALUE ]; };",
        "2222",
        "2223",
        "ssh-keyscan -T 5 -p VALUE localhost | grep --quiet ssh-ed25519",
    ),
    "services/security/tor.nix": Service(
        "tor.service",
        """services.tor = {
          enable = true;
          client = { enable = true; socksListenAddress = { addr = "127.0.0.1"; port = VALUE; }; };
        };
        # Debian's own, which starts together with the unit of that name.
        systemd.maskedUnits = [ "tor@default.service" ];
        # And which comes back to a folder that the account of NixOS's module had meanwhile.
        systemd.services.tor.serviceConfig.ExecStopPost = "+/bin/chown --recursive debian-tor: /var/lib/tor";""",
        "9050",
        "9060",
        "test $(printf '\\005\\001\\000' | timeout 10 nc -w 3 127.0.0.1 VALUE | od -An -tx1 | tr -d ' \\n') = 0500",
    ),
    "services/web-servers/apache-httpd/default.nix": Service(
        "httpd.service",
        """services.httpd = {
          enable = true;
          adminAddr = "root@localhost";
          virtualHosts.localhost = {
            listen = [ { ip = "127.0.0.1"; port = VALUE; } ];
            documentRoot = "/etc/ssl";
          };
        };""",
        "8095",
        "8096",
        "curl --fail --silent http://127.0.0.1:VALUE/openssl.cnf | grep --quiet openssl_conf",
    ),
    "services/monitoring/snmpd.nix": Service(
        "snmpd.service",
        """services.snmpd = {
          enable = true;
          listenAddress = "127.0.0.1";
          port = VALUE;
          configText = "rocommunity public";
        };""",
        "1161",
        "1162",
        "snmpwalk -v 2c -c public 127.0.0.1:VALUE 1.3.6.1.2.1.1.5 | grep --quiet STRING",
    ),
    "services/backup/restic.nix": Service(
        "restic-backups-data.timer",
        """services.restic.backups.data = {
          initialize = true;
          repository = "/var/backup-restic";
          passwordFile = "${pkgs.writeText "password" "secret"}";
          paths = [ "/etc/ssl" ];
          extraBackupArgs = [ "--tag VALUE" ];
          timerConfig = { OnCalendar = "daily"; Persistent = false; };
        };""",
        "first",
        "second",
        "systemctl start restic-backups-data.service &&"
        " RESTIC_PASSWORD=secret restic -r /var/backup-restic snapshots --json --latest 1 |"
        """ python3 -I -c 'import json, sys; all = sorted(json.load(sys.stdin), key=lambda s: s["time"]);"""
        """ assert all[-1]["tags"] == ["VALUE"]'""",
    ),
    "services/backup/borgbackup.nix": Service(
        "borgbackup-job-data.timer",
        """services.borgbackup.jobs.data = {
          paths = [ "/etc/ssl" ];
          repo = "/var/backup-borg";
          encryption.mode = "none";
          startAt = "daily";
          archiveBaseName = "VALUE";
        };""",
        "first",
        "second",
        # The names of archives have no more than the second in them.
        "systemctl start borgbackup-job-data.service &&"
        " BORG_RELOCATED_REPO_ACCESS_IS_OK=yes BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes"
        " borg list --last 1 --short /var/backup-borg | grep --quiet '^VALUE-'",
    ),
    "services/web-servers/lighttpd/default.nix": Service(
        "lighttpd.service",
        """services.lighttpd = {
          enable = true;
          port = VALUE;
          document-root = "/etc/ssl";
        };""",
        "8083",
        "8084",
        "curl --fail --silent http://localhost:VALUE/openssl.cnf | grep --quiet openssl_conf",
    ),
    "services/networking/mosquitto.nix": Service(
        "mosquitto.service",
        """services.mosquitto = {
          enable = true;
          listeners = [ {
            port = VALUE;
            omitPasswordAuth = true;
            settings.allow_anonymous = true;
            acl = [ "topic readwrite #" ];
          } ];
        };""",
        "1883",
        "1884",
        # MQTT's CONNECT, and an acknowledgement that says "accepted".
        r"test $(printf '\020\016\000\004MQTT\004\002\000\074\000\002me' | timeout 10 nc -w 3 127.0.0.1 VALUE |"
        " od -An -tx1 | tr -d ' \\n') = 20020000",
    ),
    "services/networking/unbound.nix": Service(
        "unbound.service",
        """services.unbound = {
          enable = true;
          enableRootTrustAnchor = false;
          resolveLocalQueries = false;
          settings.server = { port = VALUE; local-data = "\\"host.test. A 10.1.2.3\\""; };
        };
        environment.etc."unbound/unbound.conf".replaceExisting = true;""",
        "5355",
        "5356",
        DNS,
        complaints=("changed conffile: /etc/unbound/unbound.conf",),
    ),
    "services/networking/bind.nix": Service(
        "bind.service",
        """services.bind = {
          enable = true;
          listenOn = [ "none" ];
          listenOnIpv6 = [ "none" ];
          extraOptions = "listen-on port VALUE { 127.0.0.1; };";
          zones.test = {
            master = true;
            file = builtins.toFile "zone" ''
              $TTL 60
              @ SOA ns a 1 60 60 60 60
              @ NS ns
              ns A 10.0.0.1
              host A 10.1.2.3
            '';
          };
        };""",
        "5357",
        "5358",
        DNS,
    ),
    "services/databases/openldap.nix": Service(
        "openldap.service",
        """services.openldap = {
          enable = true;
          urlList = [ "ldap://127.0.0.1:VALUE" ];
          settings.children = {
            # Debian has the backends as modules.
            "cn=module{0}".attrs = {
              objectClass = "olcModuleList";
              cn = "module{0}";
              olcModulePath = "/usr/lib/ldap";
              olcModuleLoad = "{0}back_mdb";
            };
            "cn=schema".includes = [ "/etc/ldap/schema/core.ldif" "/etc/ldap/schema/cosine.ldif" ];
            "olcDatabase={1}mdb".attrs = {
              objectClass = [ "olcDatabaseConfig" "olcMdbConfig" ];
              olcDatabase = "{1}mdb";
              olcDbDirectory = "/var/lib/openldap/data";
              olcSuffix = "dc=example,dc=org";
              olcRootDN = "cn=admin,dc=example,dc=org";
              olcRootPW = "secret";
            };
          };
          declarativeContents."dc=example,dc=org" = ''
            dn: dc=example,dc=org
            objectClass: domain
            dc: example
          '';
        };""",
        "3389",
        "3390",
        "ldapsearch -x -H ldap://127.0.0.1:VALUE -D cn=admin,dc=example,dc=org -w secret"
        " -b dc=example,dc=org | grep --quiet '^dc: example'",
        # The module has its configuration written there.
        leaves=("openldap", "openldap/*"),
    ),
    "services/databases/mysql.nix": Service(
        "mysql.service",
        """services.mysql = {
          enable = true;
          package = pkgs.mariadb;
          dataDir = "/var/lib/mysql-nixos";
          settings.mysqld.port = VALUE;
          ensureDatabases = [ "app" ];
          ensureUsers = [ { name = "git"; ensurePermissions."app.*" = "ALL PRIVILEGES"; } ];
        };""",
        "3306",
        "3307",
        "mysql --execute 'create table if not exists app.t (n int); insert into app.t values (@@port);"
        ' select concat("is ", count(*), " of ", @@port) from app.t where n = VALUE\' | grep --quiet \'of VALUE\'',
    ),
    "services/networking/squid.nix": Service(
        "squid.service",
        """services.squid = {
          enable = true;
          proxyPort = VALUE;
          extraConfig = "shutdown_lifetime 1 second";
        };""",
        "3128",
        "3129",
        # It refuses to lead to its own host, and says so itself.
        "curl --silent --head --proxy http://localhost:VALUE http://localhost/ | grep --quiet '^X-Squid-Error: ERR_'",
    ),
    "services/networking/vsftpd.nix": Service(
        "vsftpd.service",
        """services.vsftpd = {
          enable = true;
          anonymousUser = true;
          anonymousUserHome = "/srv/ftp-nixos";
          extraConfig = "listen_port=VALUE";
        };
        environment.etc."pam.d/vsftpd".replaceExisting = true;""",
        "2121",
        "2122",
        "curl --fail --silent --list-only ftp://localhost:VALUE/ | grep --quiet hello",
        complaints=("changed conffile: /etc/pam.d/vsftpd",),
        prepare="mkdir --parents /srv/ftp-nixos && touch /srv/ftp-nixos/hello && chmod 555 /srv/ftp-nixos",
    ),
    "services/networking/git-daemon.nix": Service(
        "git-daemon.service",
        """services.gitDaemon = {
          enable = true;
          basePath = "/srv/git";
          exportAll = true;
          port = VALUE;
        };
        # It serves what belongs to its user.
        systemd.tmpfiles.rules = [ "Z /srv/git - git git -" ];""",
        "9418",
        "9419",
        "git ls-remote --exit-code git://localhost:VALUE/it | grep --quiet refs/heads/main",
        prepare="git init --quiet --initial-branch main /srv/git/it && cd /srv/git/it &&"
        " git -c user.name=n -c user.email=e commit --quiet --allow-empty --message first",
    ),
    "services/networking/iperf3.nix": Service(
        "iperf3.service",
        "services.iperf3 = { enable = true; port = VALUE; };",
        "5201",
        "5202",
        "iperf3 --client 127.0.0.1 --port VALUE --bytes 100K",
    ),
    "services/networking/privoxy.nix": Service(
        "privoxy.service",
        'services.privoxy = { enable = true; settings.listen-address = "127.0.0.1:VALUE"; };',
        "8118",
        "8119",
        "curl --fail --silent --proxy http://127.0.0.1:VALUE http://p.p/ | grep --quiet Privoxy",
    ),
    "services/monitoring/monit.nix": Service(
        "monit.service",
        'services.monit = { enable = true; config = "set daemon 5\\nset httpd port VALUE allow admin:monit"; };',
        "2812",
        "2813",
        "curl --fail --silent --user admin:monit http://localhost:VALUE/_status | grep --quiet uptime",
    ),
    "services/networking/prosody.nix": Service(
        "prosody.service",
        """services.prosody = {
          enable = true;
          extraConfig = "c2s_ports = { VALUE }; prosodyctl_service_warnings = false";
          xmppComplianceSuite = false;
          virtualHosts.test = { enabled = true; domain = "localhost"; };
        };
        environment.etc."prosody/prosody.cfg.lua".replaceExisting = true;""",
        "5222",
        "5223",
        tcp(
            '<?xml version=\\"1.0\\"?><stream:stream to=\\"localhost\\" xmlns=\\"jabber:client\\"'
            ' xmlns:stream=\\"http://etherx.jabber.org/streams\\" version=\\"1.0\\">',
            "stream:features",
        ),
        complaints=("changed conffile: /etc/prosody/prosody.cfg.lua",),
    ),
    "services/databases/etcd.nix": Service(
        "etcd.service",
        """services.etcd = rec {
          enable = true;
          listenClientUrls = [ "http://127.0.0.1:VALUE" ];
          advertiseClientUrls = listenClientUrls;
        };""",
        "2379",
        "2479",
        "etcdctl --endpoints http://127.0.0.1:VALUE put k v &&"
        " test $(etcdctl --endpoints http://127.0.0.1:VALUE get --print-value-only k) = v",
    ),
    "services/mail/postgrey.nix": Service(
        "postgrey.service",
        # Its type takes a port for a path that is not given.
        'services.postgrey = { enable = true; socket.path = "/run/VALUE.sock"; };',
        "one",
        "two",
        tcp(
            "request=smtpd_access_policy\\nclient_address=192.0.2.1\\nclient_name=c\\nsender=a@b\\nrecipient=c@d\\n\\n",
            "action=DEFER_IF_PERMIT",
        ).replace("localhost VALUE", "-U /run/VALUE.sock"),
    ),
    "services/networking/stunnel.nix": Service(
        "stunnel.service",
        """services.stunnel = {
          enable = true;
          servers.it = { accept = VALUE; connect = 22; cert = "/var/lib/tls.pem"; };
        };""",
        "9443",
        "9444",
        "openssl s_client -connect localhost:VALUE </dev/null | grep --quiet 'subject=CN *= *test'",
        prepare="openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=test -keyout /tmp/k -out /tmp/c 2>/dev/null &&"
        " cat /tmp/k /tmp/c >/var/lib/tls.pem",
    ),
    "services/amqp/rabbitmq.nix": Service(
        "rabbitmq.service",
        "services.rabbitmq = { enable = true; port = VALUE; };",
        "5672",
        "5673",
        tcp("AMQP\\000\\000\\011\\001", "RabbitMQ"),
    ),
    "services/monitoring/prometheus/default.nix": Service(
        "prometheus.service",
        """services.prometheus = {
          enable = true;
          port = VALUE;
          scrapeConfigs = [ { job_name = "self"; static_configs = [ { targets = [ "localhost:VALUE" ]; } ]; } ];
        };""",
        "9090",
        "9091",
        'curl --fail --silent http://localhost:VALUE/api/v1/targets | grep --quiet \'"job":"self"\'',
    ),
    "services/monitoring/prometheus/exporters.nix (blackbox)": Service(
        "prometheus-blackbox-exporter.service",
        """services.prometheus.exporters.blackbox = {
          enable = true;
          port = VALUE;
          configFile = builtins.toFile "blackbox.yml" "modules: { http_2xx: { prober: http } }";
        };""",
        "9115",
        "9116",
        "curl --fail --silent 'http://localhost:VALUE/probe?module=http_2xx&target=http://localhost:VALUE/metrics' |"
        " grep --quiet '^probe_success 1'",
    ),
    "services/web-servers/caddy/default.nix": Service(
        "caddy.service",
        """services.caddy = {
          enable = true;
          virtualHosts.":VALUE".extraConfig = "respond found";
        };""",
        "85",
        "86",
        "test $(curl --fail --silent http://localhost:VALUE/) = found",
    ),
    "services/networking/ntp/chrony.nix": Service(
        "chronyd.service",
        """services.chrony = {
          enable = true;
          servers = [ ];
          enableRTCTrimming = false;
          # The clock of a container is not its own.
          extraFlags = [ "-x" ];
          extraConfig = "local stratum 3\\nallow 127.0.0.1\\nport VALUE";
        };
        # A container may not set the clock; Debian's own unit has this name as an alias.
        systemd.services.chronyd.unitConfig.ConditionCapability = lib.mkForce "CAP_NET_BIND_SERVICE";
        systemd.maskedUnits = [ "chrony.service" ];""",
        "123",
        "1123",
        """python3 -I -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.sendto(b"\\x23" + 47 * b"\\0", ("127.0.0.1", VALUE))
assert s.recv(48)[1] == 3
'""",
    ),
    "services/security/fail2ban.nix": Service(
        "fail2ban.service",
        """services.fail2ban = {
          enable = true;
          maxretry = VALUE;
          packageFirewall = pkgs.nftables;
          banaction = "nftables-multiport";
        };
        services.openssh.enable = true;""",
        "4",
        "6",
        "fail2ban-client get sshd maxretry | grep --quiet --line-regexp VALUE",
        # Debian's own, which runs when ours has gone, reads the log of sshd from a file.
        prepare="touch /var/log/auth.log",
    ),
    "services/networking/syncthing.nix": Service(
        "syncthing.service",
        """services.syncthing = { enable = true; guiAddress = "127.0.0.1:VALUE"; };""",
        "8384",
        "8385",
        "curl --fail --silent http://127.0.0.1:VALUE/ | grep --quiet Syncthing",
    ),
    "services/network-filesystems/samba.nix": Service(
        "samba-smbd.service",
        """services.samba = {
          enable = true;
          nmbd.enable = false;
          winbindd.enable = false;
          settings.global = { "smb ports" = "VALUE"; "map to guest" = "bad user"; };
          settings.share = { path = "/srv/share"; "guest ok" = "yes"; };
        };
        systemd.tmpfiles.rules = [ "d /srv/share 0755 root root -" "f /srv/share/hello 0644 root root -" ];
        environment.etc = lib.genAttrs [ "samba/smb.conf" "pam.d/samba" ] (_: { replaceExisting = true; });
        # Its package of Debian is not installed.
        security.wrappers."mount.cifs".enable = false;
        # Debian's own.
        systemd.maskedUnits = [ "smbd.service" "nmbd.service" ];""",
        "4445",
        "4446",
        "smbclient --no-pass --port VALUE //localhost/share --command ls | grep --quiet hello",
        complaints=("changed conffile: /etc/pam.d/samba",),
    ),
    "services/web-servers/varnish/default.nix": Service(
        "varnish.service",
        """services.varnish = {
          enable = true;
          http_address = "127.0.0.1:VALUE";
          config = "vcl 4.1; backend default none; sub vcl_recv { return (synth(200, \\"found\\")); }";
        };""",
        "6081",
        "6082",
        "curl --fail --silent http://127.0.0.1:VALUE/ | grep --quiet found",
    ),
    "services/torrent/transmission.nix": Service(
        "transmission.service",
        """services.transmission = {
          enable = true;
          settings = { rpc-port = VALUE; rpc-bind-address = "127.0.0.1"; };
        };""",
        "9092",
        "9093",
        "curl --silent --head http://127.0.0.1:VALUE/transmission/rpc | grep --quiet X-Transmission-Session-Id",
    ),
    "services/networking/nats.nix": Service(
        "nats.service",
        "services.nats = { enable = true; port = VALUE; };",
        "4222",
        "4223",
        tcp("PING\\r\\n", "PONG"),
    ),
}
"""Services by the module that runs each, below `nixos/modules`; brackets tell several of a module apart."""
