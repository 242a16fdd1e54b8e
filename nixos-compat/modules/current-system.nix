# The programs that units of NixOS take for granted below `/run/current-system/sw`: the distribution's own.
{
  config,
  lib,
  build,
  systemManager,
  ...
}:
let
  inherit (config.system.build) sw;
  table = import ../host-packages/programs.nix;
  taken = [
    "bash"
    "coreutils"
    "diffutils"
    "findutils"
    "gawk"
    "gnugrep"
    "gnused"
    "gnutar"
    "gzip"
    "iproute2"
    "kmod"
    "procps"
    "shadow"
    "su"
    "systemd"
    "util-linux"
  ];
  programs = build.join {
    name = "system-manager-sw";
    pathsToLink = [ "/" ];
    # What the configuration installs comes first, as it does in a `PATH`.
    paths =
      lib.optional (sw != null) sw
      ++ map (name: systemManager.hostPackage ({ inherit name; } // table.${name})) taken;
  };

  services = builtins.attrValues config.systemd.services;
  texts =
    map (u: u.text) (builtins.attrValues config.systemd.units)
    ++ lib.concatMap (s: [
      s.script
      s.preStart
      s.postStart
      s.reload
      s.preStop
      s.postStop
    ]) services;
  names = pattern: text: text != null && builtins.length (builtins.split pattern text) > 1;
in
{
  config.system.build = {
    toplevelSw = lib.mkIf (lib.any (names "/run/current-system/sw/s?bin/") texts) "${programs}";
    # Reloads of a service are often by `/run/current-system/systemd/bin/systemctl`.
    usesCurrentSystem = lib.mkIf (lib.any (names "/run/current-system/") texts) true;
  };
}
