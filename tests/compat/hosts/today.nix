# Modules as nixpkgs has them in 2026, and one from outside that only reads an option of NixOS.
{ modulesPath, ... }:
{
  imports = [
    "${modulesPath}/services/today/relay.nix"
    ../outside/reader.nix
  ];
  services.relay = {
    enable = true;
    extraConfig.colour = "blue";
    extensions = all: [ all.colours ];
    storage.folder = "/var/lib/relay";
  };
  system.services.echo = {
    process.argv = [
      "/usr/bin/echo"
      "two words"
    ];
    systemd.unit.serviceConfig.Restart = "always";
  };
}
