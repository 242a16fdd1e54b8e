# In the style of 2026: no `with lib`, a class, settings with a free form, and credentials.
{
  config,
  lib,
  options,
  pkgs,
  utils,
  _class,
  ...
}:
let
  cfg = config.services.relay;
  format = pkgs.formats.json { };
in
{
  _class = "nixos";

  imports = [
    (lib.modules.importApply ./relay-ports.nix { default = 7000; })
    (lib.mkRenamedOptionModuleWith {
      sinceRelease = 2511;
      from = [
        "services"
        "relay"
        "extraConfig"
      ];
      to = [
        "services"
        "relay"
        "settings"
      ];
    })
    (lib.mkAliasOptionModule
      [
        "services"
        "relay"
        "pkg"
      ]
      [
        "services"
        "relay"
        "package"
      ]
    )
  ];

  options.services.relay = {
    enable = lib.mkEnableOption "the relay";
    package = lib.mkPackageOption pkgs [ "servers" "relay" ] { nullable = true; };
    extensions = lib.mkOption {
      type = lib.types.functionTo (lib.types.listOf lib.types.package);
      default = _all: [ ];
      description = "Extensions.";
    };
    settings = lib.mkOption {
      default = { };
      description = "Settings as in relay.json.";
      type = lib.types.submodule {
        freeformType = format.type;
        options.jobs = lib.mkOption {
          type = lib.types.ints.unsigned;
          default = config.nix.settings.cores;
          defaultText = lib.literalExpression "config.nix.settings.cores";
          description = "How much is done at once.";
        };
      };
    };
    storage = lib.mkOption {
      default = {
        memory = { };
      };
      description = "Where messages are kept.";
      type = lib.types.attrTag {
        memory = lib.mkOption {
          type = lib.types.submodule { };
          description = "Nowhere.";
        };
        folder = lib.mkOption {
          type = lib.types.pathWith { absolute = true; };
          description = "A folder.";
        };
      };
    };
    secretFile = lib.mkOption {
      type = lib.types.externalPath;
      default = "/etc/relay.secret";
      description = "A file outside of the store.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.relay.settings = {
      class = _class;
      ca = config.security.pki.caBundle;
      isSet = options.services.relay.storage.isDefined;
      storage = lib.head (lib.attrNames cfg.storage);
    };
    environment.etc."relay.json".text = builtins.toJSON cfg.settings;
    systemd.tmpfiles.settings."10-relay"."/var/lib/relay".d = {
      mode = "0750";
      user = "relay";
    };
    systemd.services.relay = {
      wants = [ "network-online.target" ];
      after = [ "network-online.target" ];
      wantedBy = [ "multi-user.target" ];
      enableStrictShellChecks = true;
      preStart = "test -r \"$CREDENTIALS_DIRECTORY/secret\"";
      serviceConfig = {
        ExecStart = utils.escapeSystemdExecArgs [
          (lib.getExe (cfg.package.withPackages cfg.extensions))
          "--port"
          cfg.port
          "--name=%n"
        ];
        ExecReload = "${lib.getExe' config.systemd.package "systemctl"} kill -s HUP %n";
        LoadCredential = [ "secret:${cfg.secretFile}" ];
        DynamicUser = true;
        StateDirectory = "relay";
      };
    };
    networking.firewall.allowedTCPPorts = [ cfg.port ];
  };

  meta.maintainers = [ ];
}
