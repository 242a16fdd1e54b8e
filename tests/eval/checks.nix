# Checks, requirements, and options that mean nothing here.
{ pkgs, ... }:
{
  system.checks = [ (pkgs.runCommand "check" { } "touch $out") ];
  system-manager.preActivationAssertions = {
    is-debian.script = "test -e /etc/debian_version";
    off = {
      enable = false;
      script = "false";
    };
  };
  system.preSwitchChecks.no-maintenance = "test ! -e /run/maintenance";
  system-manager.healthChecks = {
    web = {
      units = [ "nginx.service" ];
      script = "test -e /run/web";
      timeout = 2;
      retries = 3;
    };
    bus.units = [ "dbus.socket" ];
    off = {
      enable = false;
      script = "false";
    };
  };
  system-manager.hostPackages = [
    (pkgs.hostPackage {
      name = "web";
      bin = [ "/usr/sbin/nginx" ];
      links."conf/mime.types" = "/etc/nginx/mime.types";
      install.debian = "nginx-light";
    })
  ];
  system-manager.hostRequirements = [
    {
      path = "/usr/bin/psql";
      package = "database";
    }
  ];
  system-manager.noEffect = [
    {
      option = "boot.loader.grub.enable";
      definedIn = [ "host.nix" ];
    }
  ];
}
