# Servers and clients beside the well-known ones of services.nix, such as the tests of NixOS want them.
{ lib, distribution }:
let
  isDebian = distribution.family == "debian";
  both = package: {
    debian = package;
    fedora = package;
  };

  # One server, in the place that its module asks for.
  serverIn = folder: package: program: {
    links."${folder}/${baseNameOf program}" = program;
    install = if builtins.isAttrs package then package else both package;
  };

  # An exporter of metrics: Debian puts its own prefix before the names that the makers give their programs.
  exporter = name: program: {
    links."bin/${program}" =
      if isDebian then "/usr/bin/prometheus-${name}-exporter" else "/usr/bin/${program}";
    install = {
      debian = "prometheus-${name}-exporter";
      fedora = "golang-github-prometheus-${name}-exporter";
    };
  };

  nc = {
    bin = [ "/usr/bin/nc" ];
    install = {
      debian = "netcat-openbsd";
      fedora = "netcat";
    };
    # nixpkgs has it in an output of LibreSSL.
    passthru = package: { nc = package; };
  };
in
{
  apacheHttpd = {
    links = {
      "modules" = if isDebian then "/usr/lib/apache2/modules" else "/usr/lib64/httpd/modules";
      "conf/mime.types" = "/etc/mime.types";
      "conf/magic" = if isDebian then "/etc/apache2/magic" else "/etc/httpd/conf/magic";
    }
    // lib.optionalAttrs (!isDebian) { "bin/httpd" = "/usr/sbin/httpd"; };
    files = {
      # The module takes a copy of it.
      "bin/apachectl" = "#!/bin/sh\nexec /usr/sbin/apachectl \"$@\"\n";
    }
    # What the sources come with, of which the defaults that are built in are enough.
    // lib.genAttrs (map (n: "conf/extra/httpd-${n}.conf") [
      "autoindex"
      "default"
      "languages"
      "multilang-errordoc"
    ]) (_path: "# As the program is built.\n")
    // lib.optionalAttrs isDebian { "bin/httpd" = builtins.readFile ./httpd.sh; };
    required = [ (if isDebian then "/usr/sbin/apache2" else "/usr/sbin/httpd") ];
    version = "2.4.62";
    install = {
      debian = "apache2";
      fedora = "httpd";
    };
  };
  at = {
    bin = map (n: "/usr/bin/${n}") [
      "at"
      "atq"
      "atrm"
      "batch"
    ];
    links."bin/atd" = "/usr/sbin/atd";
    install = both "at";
  };
  babeld = serverIn "bin" "babeld" "/usr/sbin/babeld";
  borgbackup = {
    bin = [ "/usr/bin/borg" ];
    install = both "borgbackup";
  };
  caddy = serverIn "bin" "caddy" "/usr/bin/caddy" // {
    version = "2.6.2";
  };
  chrony = {
    bin = [
      "/usr/sbin/chronyd"
      "/usr/bin/chronyc"
    ];
    install = both "chrony";
  };
  cifs-utils = {
    bin = [ "/usr/sbin/mount.cifs" ];
    install = both "cifs-utils";
  };
  fail2ban = {
    bin = map (n: "/usr/bin/${n}") [
      "fail2ban-client"
      "fail2ban-regex"
      "fail2ban-server"
    ];
    links."etc/fail2ban" = "/etc/fail2ban";
    install = both "fail2ban";
  };
  hitch = {
    bin = [ "/usr/sbin/hitch" ];
    links."sbin/hitch" = "/usr/sbin/hitch";
    install = both "hitch";
  };
  iodine = {
    bin = [
      "/usr/sbin/iodine"
      "/usr/sbin/iodined"
    ];
    install = {
      debian = "iodine";
      fedora = "iodine-server";
    };
  };
  incron = {
    bin = [
      "/usr/sbin/incrond"
      "/usr/bin/incrontab"
    ];
    install = both "incron";
  };
  keepalived = serverIn "sbin" "keepalived" "/usr/sbin/keepalived";
  libressl = nc;
  libxml2 = {
    bin = [ "/usr/bin/xmllint" ];
    install = {
      debian = "libxml2-utils";
      fedora = "libxml2";
    };
  };
  lsof = {
    bin = [ "/usr/bin/lsof" ];
    install = both "lsof";
  };
  mariadb-galera = {
    links."lib/galera/libgalera_smm.so" =
      if isDebian then "/usr/lib/galera/libgalera_smm.so" else "/usr/lib64/galera/libgalera_smm.so";
    install = {
      debian = "galera-4";
      fedora = "galera";
    };
  };
  nagiosPluginsOfficial = {
    bin = [
      (if isDebian then "/usr/lib/nagios/plugins/check_ssh" else "/usr/lib64/nagios/plugins/check_ssh")
    ];
    install = {
      debian = "monitoring-plugins-basic";
      fedora = "nagios-plugins-ssh";
    };
  };
  netcat = nc;
  netcat-gnu = nc;
  nghttp2 = serverIn "bin" {
    debian = "nghttp2-proxy";
    fedora = "nghttp2";
  } "/usr/sbin/nghttpx";
  prometheus = {
    bin = map (n: "/usr/bin/${n}") [
      "prometheus"
      "promtool"
    ];
    # nixpkgs has the tool in an output of its own.
    passthru = package: { cli = package; };
    install = {
      debian = "prometheus";
      fedora = "golang-github-prometheus";
    };
    version = "2.42";
  };
  prometheus-alertmanager = {
    links = {
      "bin/alertmanager" =
        if isDebian then "/usr/bin/prometheus-alertmanager" else "/usr/bin/alertmanager";
      "bin/amtool" = "/usr/bin/amtool";
    };
    install = {
      debian = "prometheus-alertmanager";
      fedora = "golang-github-prometheus-alertmanager";
    };
  };
  pv = {
    bin = [ "/usr/bin/pv" ];
    install = both "pv";
  };
  restic = {
    bin = [ "/usr/bin/restic" ];
    install = both "restic";
  };
  samba = {
    bin = map (n: "/usr/bin/${n}") [
      "net"
      "smbpasswd"
      "smbstatus"
      "testparm"
    ];
    links = lib.genAttrs [ "sbin/nmbd" "sbin/smbd" "sbin/winbindd" ] (path: "/usr/${path}");
    required = [ "/usr/sbin/smbd" ];
    install = both "samba";
  };
  socat = {
    bin = [ "/usr/bin/socat" ];
    install = both "socat";
  };
  syncthing = {
    bin = [ "/usr/bin/syncthing" ];
    install = both "syncthing";
  };
  tcpdump = {
    bin = [ "/usr/bin/tcpdump" ];
    install = both "tcpdump";
  };
  transmission = {
    bin = map (n: "/usr/bin/${n}") [
      "transmission-daemon"
      "transmission-remote"
    ];
    required = [ "/usr/bin/transmission-daemon" ];
    install = both "transmission-daemon";
    version = "3.00";
  };
  varnish = {
    bin = [
      "/usr/sbin/varnishd"
      "/usr/bin/varnishadm"
      "/usr/bin/varnishlog"
      "/usr/bin/varnishstat"
    ];
    links."sbin/varnishd" = "/usr/sbin/varnishd";
    install = both "varnish";
    version = "7.1";
  };
  xandikos = {
    bin = [ "/usr/bin/xandikos" ];
    install = {
      debian = "xandikos";
      fedora = "python3-xandikos";
    };
  };
}
//
  lib.mapAttrs'
    (name: program: lib.nameValuePair "prometheus-${name}-exporter" (exporter name program))
    {
      bind = "bind_exporter";
      bird = "bird_exporter";
      blackbox = "blackbox_exporter";
      mysqld = "mysqld_exporter";
      nginx = "nginx-prometheus-exporter";
      pgbouncer = "pgbouncer_exporter";
      postfix = "postfix_exporter";
      postgres = "postgres_exporter";
      process = "process-exporter";
      redis = "redis_exporter";
      snmp = "snmp_exporter";
      sql = "sql_exporter";
      varnish = "prometheus_varnish_exporter";
    }
