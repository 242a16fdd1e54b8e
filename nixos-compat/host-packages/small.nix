# Programs of which nothing is asked but that they are there: of each a package of the distribution, which has the same
# name in both families unless they are told apart, and its programs.
{ lib, distribution }:
let
  isDebian = distribution.family == "debian";
  both = package: {
    debian = package;
    fedora = package;
  };
  usr = package: names: {
    inherit package;
    programs = map (n: "/usr/bin/${n}") names;
  };
  sbin = package: names: {
    inherit package;
    programs = map (n: "/usr/sbin/${n}") names;
  };
  # What Debian gives a prefix of its own.
  prefixed = package: name: {
    inherit package;
    links."bin/${name}" = if isDebian then "/usr/bin/${package}" else "/usr/bin/${name}";
  };

  table = {
    aria2 = usr "aria2" [ "aria2c" ];
    atop = usr "atop" [ "atop" ];
    bird =
      sbin
        {
          debian = "bird2";
          fedora = "bird";
        }
        [
          "bird"
          "birdc"
        ];
    catatonit = usr "catatonit" [ "catatonit" ];
    cfssl =
      usr
        {
          debian = "golang-cfssl";
          fedora = "cfssl";
        }
        [
          "cfssl"
          "cfssljson"
        ];
    cgit = {
      package = "cgit";
      links = {
        "cgit/cgit.cgi" = if isDebian then "/usr/lib/cgit/cgit.cgi" else "/var/www/cgi-bin/cgit";
      }
      // lib.genAttrs [ "cgit/cgit.css" "cgit/cgit.png" "cgit/favicon.ico" "cgit/robots.txt" ] (
        path: "/usr/share/${path}"
      );
    };
    cni-plugins = {
      package = {
        debian = "containernetworking-plugins";
        fedora = "containernetworking-plugins";
      };
      links.bin = if isDebian then "/usr/lib/cni" else "/usr/libexec/cni";
      required = [ ];
    };
    coturn = usr "coturn" [ "turnserver" ];
    deluge =
      usr
        {
          debian = "deluged";
          fedora = "deluge-daemon";
        }
        [
          "deluged"
          "deluge-console"
          "deluge-web"
        ];
    dnsdist = usr "dnsdist" [ "dnsdist" ];
    docker-distribution = {
      package = {
        debian = "docker-registry";
        fedora = "docker-distribution";
      };
      links."bin/registry" = if isDebian then "/usr/bin/docker-registry" else "/usr/bin/registry";
    };
    endlessh = usr "endlessh" [ "endlessh" ];
    expect = usr "expect" [ "expect" ];
    fcgiwrap = sbin "fcgiwrap" [ "fcgiwrap" ];
    gitolite = usr {
      debian = "gitolite3";
      fedora = "gitolite3";
    } [ "gitolite" ];
    gobgp = usr {
      debian = "gobgpd";
      fedora = "gobgp";
    } [ "gobgp" ];
    gobgpd = usr {
      debian = "gobgpd";
      fedora = "gobgp";
    } [ "gobgpd" ];
    inspircd = sbin "inspircd" [ "inspircd" ];
    influxdb = usr "influxdb" [
      "influxd"
      "influx"
    ];
    kea =
      sbin
        {
          debian = "kea-dhcp4-server";
          fedora = "kea";
        }
        [
          "kea-dhcp4"
          "kea-dhcp6"
          "kea-dhcp-ddns"
          "kea-ctrl-agent"
        ];
    knot-dns =
      sbin "knot" [
        "knotd"
        "knotc"
      ]
      // {
        links."bin/kdig" = "/usr/bin/kdig";
      };
    libcap =
      sbin
        {
          debian = "libcap2-bin";
          fedora = "libcap";
        }
        [
          "capsh"
          "getcap"
          "setcap"
        ];
    miniupnpd = sbin "miniupnpd" [ "miniupnpd" ];
    minidlna = sbin "minidlna" [ "minidlnad" ];
    mpc = usr "mpc" [ "mpc" ];
    mpc-cli = usr "mpc" [ "mpc" ];
    ndppd = sbin "ndppd" [ "ndppd" ];
    net-snmp =
      sbin {
        debian = "snmpd";
        fedora = "net-snmp";
      } [ "snmpd" ]
      // {
        links = lib.genAttrs [ "bin/snmpget" "bin/snmpwalk" ] (path: "/usr/${path}");
      };
    nsd = sbin "nsd" [
      "nsd"
      "nsd-checkconf"
      "nsd-control"
      "nsd-control-setup"
    ];
    oddjob = sbin "oddjob" [ "oddjobd" ];
    pdns = {
      package = {
        debian = "pdns-server";
        fedora = "pdns";
      };
      programs = [
        "/usr/sbin/pdns_server"
        "/usr/bin/pdns_control"
        "/usr/bin/pdnsutil"
      ];
    };
    pdns-recursor = {
      package = "pdns-recursor";
      programs = [
        "/usr/sbin/pdns_recursor"
        "/usr/bin/rec_control"
      ];
    };
    pgbouncer = if isDebian then sbin "pgbouncer" [ "pgbouncer" ] else usr "pgbouncer" [ "pgbouncer" ];
    plocate = usr "plocate" [
      "locate"
      "plocate"
      "updatedb"
    ];
    podman = usr "podman" [ "podman" ] // {
      # What the module leaves out of it, so that there must be something else.
      files."lib/tmpfiles.d/podman.conf" = "# The distribution's own rules are beside it.\n";
    };
    prometheus-pushgateway = prefixed "prometheus-pushgateway" "pushgateway";
    radicale = usr {
      debian = "radicale";
      fedora = "radicale";
    } [ "radicale" ];
    radvd = sbin "radvd" [ "radvd" ];
    rspamd = usr "rspamd" [
      "rspamadm"
      "rspamc"
      "rspamd"
    ];
    rsyslog = sbin "rsyslog" [ "rsyslogd" ];
    runc = sbin "runc" [ "runc" ] // {
      required = [ ];
    };
    shadowsocks-libev = usr "shadowsocks-libev" [
      "ss-local"
      "ss-server"
    ];
    # The client is seldom asked for, and its list of what to trust always.
    skopeo = usr "skopeo" [ "skopeo" ] // {
      required = [ ];
      files."default-policy.json" = ''{"default":[{"type":"insecureAcceptAnything"}]}'' + "\n";
      passthru = package: { policy = package; };
    };
    snapcast =
      usr
        {
          debian = "snapserver";
          fedora = "snapcast";
        }
        [
          "snapclient"
          "snapserver"
        ];
    spiped = usr "spiped" [
      "spipe"
      "spiped"
    ];
    sqlite = usr {
      debian = "sqlite3";
      fedora = "sqlite";
    } [ "sqlite3" ];
    ssh-audit = usr "ssh-audit" [ "ssh-audit" ];
    sslh = sbin "sslh" [ "sslh" ];
    swaks = usr "swaks" [ "swaks" ];
    tang = {
      package = "tang";
      links = lib.genAttrs [ "libexec/tangd" "libexec/tangd-keygen" ] (path: "/usr/${path}");
    };
    teeworlds = {
      package = {
        debian = "teeworlds-server";
        fedora = "teeworlds-server";
      };
      links."bin/teeworlds_srv" =
        if isDebian then "/usr/games/teeworlds-server" else "/usr/bin/teeworlds-srv";
    };
    tuptime = usr "tuptime" [ "tuptime" ];
    ucarp = sbin "ucarp" [ "ucarp" ];
    webhook = usr "webhook" [ "webhook" ];
  };

  # Modules look for servers in `bin` or in `sbin`, and tools beside them need not be installed.
  package = entry: {
    bin = entry.programs or [ ];
    links =
      lib.listToAttrs (
        map (p: lib.nameValuePair "sbin/${baseNameOf p}" p) (
          lib.filter (lib.hasPrefix "/usr/sbin/") (entry.programs or [ ])
        )
      )
      // entry.links or { };
    install = if builtins.isAttrs entry.package then entry.package else both entry.package;
    required = entry.required or [ (lib.head (entry.programs or (builtins.attrValues entry.links))) ];
    files = entry.files or { };
    passthru = entry.passthru or { };
  };
in
lib.mapAttrs (_name: package) table
