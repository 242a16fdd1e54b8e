# Packages that bring rules and services for the bus.
#
# The bus reads every file in its folder below /etc, and watches it; ours points to the packages' own folders.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  packages = lib.unique (map (p: "${p}") config.services.dbus.packages);
  doctype = ''<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">'';
  conf =
    bus: services:
    "${doctype}\n<busconfig>\n"
    + lib.concatMapStrings (p: ''
      <servicedir>${p}/share/dbus-1/${services}</servicedir>
      <includedir>${p}/etc/dbus-1/${bus}.d</includedir>
      <includedir>${p}/share/dbus-1/${bus}.d</includedir>
    '') packages
    + "</busconfig>\n";
in
{
  options.services.dbus.packages = mkOption {
    type = types.listOf types.path;
    default = [ ];
    example = lib.literalExpression "[ pkgs.avahi ]";
    description = ''
      Packages whose `share/dbus-1` and `etc/dbus-1` the distribution's D-Bus reads: policies, and services that are
      started on demand.
    '';
  };

  config.environment.etc = lib.mkIf (packages != [ ]) {
    "dbus-1/system.d/system-manager.conf".text = conf "system" "system-services";
    "dbus-1/session.d/system-manager.conf".text = conf "session" "services";
  };
}
