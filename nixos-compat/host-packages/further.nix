# Servers and clients beside the well-known ones of services.nix, such as the tests of NixOS want them.
{ lib, distribution }:
let
  isDebian = distribution.family == "debian";
  both = package: {
    debian = package;
    fedora = package;
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
      "bin/httpd" = if isDebian then "/usr/sbin/apache2" else "/usr/sbin/httpd";
      "bin/apachectl" = "/usr/sbin/apachectl";
      "modules" = if isDebian then "/usr/lib/apache2/modules" else "/usr/lib64/httpd/modules";
      "conf/mime.types" = "/etc/mime.types";
      "conf/magic" = if isDebian then "/etc/apache2/magic" else "/etc/httpd/conf/magic";
    };
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
  hitch = {
    bin = [ "/usr/sbin/hitch" ];
    links."sbin/hitch" = "/usr/sbin/hitch";
    install = both "hitch";
  };
  incron = {
    bin = [
      "/usr/sbin/incrond"
      "/usr/bin/incrontab"
    ];
    install = both "incron";
  };
  libressl = nc;
  netcat = nc;
  netcat-gnu = nc;
  restic = {
    bin = [ "/usr/bin/restic" ];
    install = both "restic";
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
}
//
  lib.mapAttrs'
    (name: program: lib.nameValuePair "prometheus-${name}-exporter" (exporter name program))
    {
      bind = "bind_exporter";
      blackbox = "blackbox_exporter";
      nginx = "nginx-prometheus-exporter";
      postgres = "postgres_exporter";
      redis = "redis_exporter";
      varnish = "prometheus_varnish_exporter";
    }
