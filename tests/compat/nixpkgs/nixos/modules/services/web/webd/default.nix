# In the style of NixOS's modules: a submodule with settings, renamed options, what others set and read.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:

with lib;

let
  cfg = config.services.webd;
  format = pkgs.formats.ini { };
  settingsFile = format.generate "webd.ini" cfg.settings;
in
{
  imports = [
    (mkRenamedOptionModule [ "services" "webd" "rootDir" ] [ "services" "webd" "root" ])
    (mkRemovedOptionModule [ "services" "webd" "threads" ] "It knows by itself.")
    (mkChangedOptionModule
      [ "services" "webd" "verbose" ]
      [ "services" "webd" "settings" "log" "level" ]
      (config: if getAttrFromPath [ "services" "webd" "verbose" ] config then "debug" else "info")
    )
  ];

  options.services.webd = {
    enable = mkEnableOption "webd, a web server";
    package = mkPackageOption pkgs "webd" { example = "webdMinimal"; };
    port = mkOption {
      type = types.port;
      default = 80;
      description = "The port.";
    };
    root = mkOption {
      type = types.path;
      default = "/srv/www";
      description = "The pages.";
    };
    plugins = mkOption {
      type = types.listOf types.package;
      default = [ ];
      description = "Plugins.";
    };
    openFirewall = mkEnableOption "the port in the firewall";
    database = mkEnableOption "a database for sessions";
    settings = mkOption {
      default = { };
      description = "Settings as in webd.ini.";
      type = types.submodule {
        freeformType = format.type;
        options.server.host = mkOption {
          type = types.str;
          default = config.networking.hostName;
          description = "The name of the server.";
        };
      };
    };
    virtualHosts = mkOption {
      default = { };
      description = "Hosts.";
      type = types.attrsOf (
        types.submodule (
          { name, config, ... }:
          {
            options = {
              serverName = mkOption {
                type = types.str;
                default = name;
                description = "The host's name.";
              };
              forceTLS = mkEnableOption "TLS";
              listen = mkOption {
                type = types.listOf types.port;
                description = "Ports.";
              };
            };
            config.listen = mkDefault (if config.forceTLS then [ 443 ] else [ 80 ]);
          }
        )
      );
    };
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.port != 22;
        message = "webd can't take the port of ssh";
      }
    ];
    warnings = optional (cfg.virtualHosts == { }) "webd has no hosts";

    services.webd.settings.server.port = cfg.port;

    systemd.services.webd = {
      description = "The web server webd";
      after = [ "network.target" ];
      wantedBy = [ "multi-user.target" ];
      restartTriggers = [ settingsFile ];
      unitConfig.RequiresMountsFor = [ cfg.root ];
      confinement.enable = true;
      serviceConfig = {
        ExecStart = "${getExe cfg.package} --config /etc/webd.ini";
        StateDirectory = utils.escapeSystemdPath "/webd/state";
        User = toString config.ids.uids.webd;
        TimeoutStopSec = mkIf cfg.database config.systemd.services.storage.serviceConfig.TimeoutSec;
      };
    };

    environment.etc."webd.ini".source = settingsFile;
    environment.etc."webd/hosts".text = concatStrings (
      mapAttrsToList (
        _: host:
        "${host.serverName} ${
          concatMapStringsSep "," toString host.listen
        }${optionalString host.forceTLS " ${config.services.certs.directory}/${host.serverName}"}\n"
      ) cfg.virtualHosts
    );

    users.users = mkIf (cfg.port != 1) {
      webd = {
        uid = config.ids.uids.webd;
        isSystemUser = true;
        group = "webd";
      };
    };
    users.groups.webd = { };

    # Can be told only once the database's module has done its part.
    services.rotate.jobs =
      if cfg.database && config.systemd.services.storage.serviceConfig.TimeoutSec > 60 then
        { webd.keep = "7"; }
      else
        { webd.keep = "3"; };
    services.storage = mkIf cfg.database {
      enable = true;
      ensure = [ "sessions" ];
    };
    networking.firewall.allowedTCPPorts = mkIf cfg.openFirewall [ cfg.port ];
  };

  meta.maintainers = [ ];
}
