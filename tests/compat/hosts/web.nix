# A server that needs another one, old names, and settings that nothing acts on.
{ modulesPath, config, ... }:
{
  imports = [
    "${modulesPath}/services/web/webd"
    "${modulesPath}/services/database/storage.nix"
    "${modulesPath}/services/misc/folder"
  ];

  services.webd = {
    enable = true;
    database = true;
    openFirewall = true;
    rootDir = "/srv/pages";
    verbose = true;
    settings.server.threads = 4;
    virtualHosts = {
      "a.example".forceTLS = true;
      "b.example" = { };
    };
  };
  services.httpd.port = 8080;
  services.storage.dataDirectory = "/data";
  services.folder = {
    enable = true;
    depth = 3;
  };

  networking.hostName = "host";
  systemd.watchdog = 30;
  systemd.services.storage.serviceConfig.TimeoutSec = 300;

  environment.etc."seen".text = builtins.toJSON {
    inherit (config.services.webd) root settings;
    package = config.services.webd.package.name;
  };
}
