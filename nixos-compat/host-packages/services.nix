# Servers of a distribution, with what NixOS modules expect of their packages beyond `bin/`.
{ lib, distribution }:
let
  inherit (distribution) family;
  isDebian = family == "debian";
  from = folder: names: map (n: "${folder}/${n}") names;

  # One name in both families, unless they are told apart.
  install = package: {
    debian = package.debian or package;
    fedora = package.fedora or package;
  };
  server = package: bin: {
    inherit bin;
    install = install package;
  };

  # A server of nginx's kind, with the folder of the files that configurations include.
  nginxLike =
    package: program: folder:
    server package [ program ]
    // {
      required = [
        program
        "${folder}/mime.types"
      ];
      links = lib.listToAttrs (
        map (f: lib.nameValuePair "conf/${f}" "${folder}/${f}") [
          "fastcgi.conf"
          "fastcgi_params"
          "mime.types"
          "scgi_params"
          "uwsgi_params"
        ]
      );
      passthru.modules = [ ];
    };
  nginx =
    nginxLike {
      debian = "nginx-light";
      fedora = "nginx";
    } "/usr/sbin/nginx" "/etc/nginx"
    // {
      version = distribution.nginx;
    };

  major = distribution.postgresql;
  postgresFolder = if isDebian then "/usr/lib/postgresql/${major}/bin" else "/usr/bin";
  postgresql = {
    bin = from postgresFolder [
      "postgres"
      "clusterdb"
      "createdb"
      "createuser"
      "dropdb"
      "dropuser"
      "initdb"
      "pg_basebackup"
      "pg_ctl"
      "pg_dump"
      "pg_dumpall"
      "pg_isready"
      "pg_restore"
      "psql"
      "reindexdb"
      "vacuumdb"
    ];
    install = {
      debian = "postgresql-${major}";
      fedora = "postgresql-server";
    };
    required = from postgresFolder [
      "initdb"
      "postgres"
      "psql"
    ];
    # Modules choose by the major version; the distribution chooses the rest.
    version = "${major}.0";
    passthru = package: {
      psqlSchema = major;
      jitSupport = false;
      installedExtensions = [ ];
      pkgs = { };
      # Extensions are the distribution's packages as well, and found where it puts them.
      withPackages = _choose: package;
      withJIT = package;
      withoutJIT = package;
    };
  };
  postgresqlNames = [
    "postgresql"
    "postgresql_jit"
  ]
  ++ map (v: "postgresql_${v}") (
    [
      "9_4"
      "9_5"
      "9_6"
    ]
    ++ map toString (lib.range 10 18)
  );

  openssh = {
    bin =
      from "/usr/bin" [
        "ssh"
        "scp"
        "sftp"
        "ssh-add"
        "ssh-agent"
        "ssh-keygen"
        "ssh-keyscan"
      ]
      ++ [ "/usr/sbin/sshd" ];
    links = {
      "libexec/sftp-server" =
        if isDebian then "/usr/lib/openssh/sftp-server" else "/usr/libexec/openssh/sftp-server";
      "etc/ssh/moduli" = "/etc/ssh/moduli";
    };
    install = install "openssh-server";
    version = distribution.openssh;
  };

  postfix = {
    bin =
      from "/usr/sbin" [
        "postfix"
        "postalias"
        "postcat"
        "postconf"
        "postdrop"
        "postlog"
        "postmap"
        "postqueue"
        "postsuper"
        "sendmail"
      ]
      ++ from "/usr/bin" [
        "mailq"
        "newaliases"
      ];
    links = {
      "libexec/postfix" = if isDebian then "/usr/lib/postfix/sbin" else "/usr/libexec/postfix";
      "etc/postfix" = "/etc/postfix";
    };
    install = install "postfix";
    version = "3.7";
  };

  mariadbd = if isDebian then "/usr/sbin/mariadbd" else "/usr/libexec/mariadbd";
  mariadb = {
    bin = from "/usr/bin" [
      "my_print_defaults"
      "mysql"
      "mysql_install_db"
      "mysqladmin"
      "mysqldump"
      "resolveip"
    ];
    links = {
      "bin/mysqld" = mariadbd;
      # Where its own scripts look below `--basedir`.
      "sbin/mariadbd" = mariadbd;
      # Its newer name is in newer distributions.
      "share/mysql" = "/usr/share/mysql";
      "share/mariadb" = "/usr/share/mariadb";
      "lib/mysql/plugin" = if isDebian then "/usr/lib/mysql/plugin" else "/usr/lib64/mariadb/plugin";
    };
    required = [
      mariadbd
      "/usr/bin/mysql"
      "/usr/bin/mysql_install_db"
    ];
    install = install "mariadb-server";
    version = distribution.mariadb;
  };

  openldap = {
    bin = from "/usr/bin" [
      "ldapadd"
      "ldapmodify"
      "ldapsearch"
    ];
    links = {
      "bin/slapadd" = "/usr/sbin/slapadd";
      "bin/slaptest" = "/usr/sbin/slaptest";
      "libexec/slapd" = "/usr/sbin/slapd";
      "etc/schema" = if isDebian then "/etc/ldap/schema" else "/etc/openldap/schema";
    };
    required = [ "/usr/sbin/slapd" ];
    install = {
      debian = "slapd";
      fedora = "openldap-servers";
    };
    version = distribution.openldap;
  };

  redis =
    server
      {
        debian = "redis-server";
        fedora = "valkey-compat-redis";
      }
      (
        from "/usr/bin" [
          "redis-server"
          "redis-cli"
          "redis-sentinel"
        ]
      )
    // {
      required = from "/usr/bin" [
        "redis-server"
        "redis-cli"
      ];
      version = "7.0";
    };

  # Some modules look for servers in `sbin`.
  alsoInSbin =
    entry:
    entry
    // {
      links =
        entry.links or { }
        // lib.listToAttrs (map (p: lib.nameValuePair "sbin/${baseNameOf p}" p) entry.bin);
    };
in
lib.genAttrs [ "nginx" "nginxStable" "nginxMainline" "nginxUnstable" ] (_name: nginx)
// lib.genAttrs postgresqlNames (_name: postgresql)
// {
  # Where their own packages and builds put them: no distribution has them. The module asks whether it runs one of
  # them, for which all that nixpkgs's is built with would have to be evaluated.
  openresty =
    nginxLike "openresty" "/usr/local/openresty/nginx/sbin/nginx"
      "/usr/local/openresty/nginx/conf";
  tengine = nginxLike "tengine" "/usr/local/nginx/sbin/nginx" "/usr/local/nginx/conf";
  inherit
    mariadb
    openldap
    openssh
    postfix
    redis
    ;
  # The name that it had in nixpkgs until 2020; modules ask which of the two it is.
  mysql = mariadb // {
    name = "mariadb";
  };
  avahi = server {
    debian = "avahi-daemon";
    fedora = "avahi";
  } [ "/usr/sbin/avahi-daemon" ];
  bind = alsoInSbin (
    server "bind" [
      "/usr/sbin/named"
      "/usr/sbin/rndc"
      "/usr/sbin/rndc-confgen"
    ]
    // {
      install = {
        debian = "bind9";
        fedora = "bind";
      };
    }
  );
  beanstalkd = server "beanstalkd" [ "/usr/bin/beanstalkd" ];
  dnsmasq = server "dnsmasq" [ "/usr/sbin/dnsmasq" ];
  dovecot =
    alsoInSbin (
      server
        {
          debian = "dovecot-imapd";
          fedora = "dovecot";
        }
        [
          "/usr/sbin/dovecot"
          "/usr/bin/doveadm"
        ]
    )
    // {
      required = [ "/usr/sbin/dovecot" ];
    };
  erlang =
    server
      {
        debian = "erlang-base";
        fedora = "erlang-erts";
      }
      [
        "/usr/bin/epmd"
        "/usr/bin/erl"
      ];
  etcd = server {
    debian = "etcd-server";
    fedora = "etcd";
  } [ "/usr/bin/etcd" ];
  etcdctl = server {
    debian = "etcd-client";
    fedora = "etcd";
  } [ "/usr/bin/etcdctl" ];
  haproxy = alsoInSbin (server "haproxy" [ "/usr/sbin/haproxy" ]);
  icecast =
    server {
      debian = "icecast2";
      fedora = "icecast";
    } [ ]
    // {
      links = {
        "bin/icecast" = if isDebian then "/usr/bin/icecast2" else "/usr/bin/icecast";
        "share/icecast" = if isDebian then "/usr/share/icecast2" else "/usr/share/icecast";
      };
    };
  iperf3 = server "iperf3" [ "/usr/bin/iperf3" ] // {
    links."bin/iperf" = "/usr/bin/iperf3";
  };
  lighttpd =
    let
      types = "share/lighttpd/doc/config/conf.d/mime.conf";
    in
    alsoInSbin (server "lighttpd" [ "/usr/sbin/lighttpd" ])
    # Debian's list of types is what a script makes of the host's own.
    // lib.optionalAttrs isDebian {
      files.${types} = "include_shell \"/usr/share/lighttpd/create-mime.conf.pl\"\n";
    };
  memcached = server "memcached" [ "/usr/bin/memcached" ];
  monit = server "monit" [ "/usr/bin/monit" ];
  mosquitto =
    server "mosquitto" [
      "/usr/sbin/mosquitto"
      "/usr/bin/mosquitto_passwd"
    ]
    // {
      # The clients, which Debian has in a package of their own, where they are installed.
      required = [ "/usr/sbin/mosquitto" ];
      links = lib.genAttrs [ "bin/mosquitto_pub" "bin/mosquitto_sub" ] (path: "/usr/${path}");
    };
  mpd = server "mpd" [ "/usr/bin/mpd" ];
  nats-server = server "nats-server" [
    (if isDebian then "/usr/sbin/nats-server" else "/usr/bin/nats-server")
  ];
  ngircd = alsoInSbin (server "ngircd" [ "/usr/sbin/ngircd" ]);
  opensmtpd = alsoInSbin (
    server "opensmtpd" [
      "/usr/sbin/smtpd"
      "/usr/sbin/smtpctl"
    ]
  );
  postgrey = server "postgrey" [ "/usr/sbin/postgrey" ];
  privoxy = server "privoxy" [ "/usr/sbin/privoxy" ] // {
    links.etc = "/etc/privoxy";
  };
  prosody =
    server "prosody" [
      "/usr/bin/prosody"
      "/usr/bin/prosodyctl"
    ]
    // {
      passthru.communityModules = [ ];
    };
  prometheus-node-exporter =
    server {
      debian = "prometheus-node-exporter";
      fedora = "node-exporter";
    } [ ]
    // {
      links."bin/node_exporter" =
        if isDebian then "/usr/bin/prometheus-node-exporter" else "/usr/bin/node_exporter";
    };
  rabbitmq-server = alsoInSbin (
    server "rabbitmq-server" (
      from "/usr/sbin" [
        "rabbitmq-server"
        "rabbitmq-diagnostics"
        "rabbitmq-plugins"
        "rabbitmqctl"
      ]
    )
  );
  squid = alsoInSbin (server "squid" [ "/usr/sbin/squid" ]);
  stunnel =
    server {
      debian = "stunnel4";
      fedora = "stunnel";
    } [ ]
    // {
      links."bin/stunnel" = if isDebian then "/usr/bin/stunnel4" else "/usr/bin/stunnel";
    };
  tinyproxy = server "tinyproxy" [ "/usr/bin/tinyproxy" ];
  tor = server "tor" [ "/usr/bin/tor" ] // {
    required = [ "/usr/bin/tor" ];
    links."share/tor" = "/usr/share/tor";
    # nixpkgs has the tables of countries in an output of their own.
    passthru = package: { geoip = package; };
  };
  unbound = alsoInSbin (
    server "unbound" [
      "/usr/sbin/unbound"
      "/usr/sbin/unbound-anchor"
      "/usr/sbin/unbound-checkconf"
      "/usr/sbin/unbound-control"
      "/usr/sbin/unbound-control-setup"
    ]
    // {
      required = [ "/usr/sbin/unbound" ];
    }
  );
  uptimed = alsoInSbin (server "uptimed" [ "/usr/sbin/uptimed" ]);
  vsftpd = alsoInSbin (server "vsftpd" [ "/usr/sbin/vsftpd" ]);

  # The types of files, wherever the distribution keeps the list.
  mailcap = {
    links."etc/nginx/mime.types" = "/etc/nginx/mime.types";
    links."etc/mime.types" = "/etc/mime.types";
    install = {
      debian = "media-types";
      fedora = "mailcap";
    };
  };
}
