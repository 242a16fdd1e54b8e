# The distribution's programs in place of packages, also where a text names nothing but a path.
{
  modulesPath,
  lib,
  pkgs,
  ...
}:
let
  toToml = import ../../../nixos-compat/host-packages/toml.nix { inherit lib; };
in
{
  imports = [
    "${modulesPath}/services/web/webd"
    "${modulesPath}/services/database/storage.nix"
  ];

  nixos-compat.distribution = "debian-13";
  nixos-compat.hostPackages = {
    enable = true;
    packages.webd = {
      bin = [ "/usr/sbin/webd" ];
      install.debian = "webd-light";
      version = "2.0";
    };
    packages.storage = {
      bin = [ "/usr/bin/storage" ];
      passthru = package: {
        dataFormat = "16";
        withPlugins = _choose: package;
      };
    };
  };

  services.webd.enable = true;
  services.webd.virtualHosts."a.example" = { };
  services.storage = {
    enable = true;
    package = pkgs.storage.withPlugins (p: [ p.none ]);
  };
  users.users.storage = {
    isSystemUser = true;
    group = "storage";
    home = pkgs.webd;
  };
  systemd.services.told.serviceConfig.ExecStart = lib.getExe (
    (pkgs.writeShellScriptBin "told" "true").overrideAttrs (old: {
      meta = old.meta // {
        mainProgram = "told-otherwise";
      };
    })
  );
  systemd.services.check.script = "${pkgs.postgresql_16.withPackages (_: [ ])}/bin/psql --list";

  # What they would check in the build is not checked, and a warning says so.
  system.checks = [
    (pkgs.runCommand "storage-check" { } ''
      ${pkgs.storage}/bin/storage --check
      touch $out
    '')
  ];
  environment.etc."relay.conf".source = pkgs.runCommand "relay.conf" { } ''
    echo ${pkgs.storage}/bin/storage >$out
    ${lib.getExe pkgs.unbound} --check $out
  '';
  # The nixpkgs's own formats, written with our builders.
  environment.etc."atom".text = (pkgs.formats.ini { }).lib.types.atom.name;
  environment.etc."all.toml".text = toToml {
    title = "a \"quoted\" text";
    number = 1.5;
    list = [
      1
      2
    ];
    none = null;
    "dotted.key" = true;
    empty = { };
    outer.inner.value = "x";
    tables = [
      { name = "first"; }
      {
        name = "second";
        sub.deep = [ { n = 1; } ];
      }
    ];
  };
}
