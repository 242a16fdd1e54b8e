# Secrets that travel with a switch, beside the store.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.system-manager.secrets;

  units =
    what:
    mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "web.service" ];
      description = "Units of the configuration that are ${what} when the value changes.";
    };

  secret =
    { name, ... }:
    {
      options = {
        file = mkOption {
          type = types.nullOr types.path;
          default = null;
          # A path of Nix would be copied into the store where it is used as a text.
          apply = file: if file == null then null else toString file;
          example = "/home/alice/secrets/web";
          description = "The file that contains the secret, on the machine that runs the switch.";
        };
        command = mkOption {
          type = types.nullOr types.str;
          default = null;
          example = "pass show web";
          description = "A shell command that prints the secret, on the machine that runs the switch.";
        };
        owner = mkOption {
          type = types.str;
          default = "root";
          description = "The user that owns the secret: a name, or `+` and a uid.";
        };
        group = mkOption {
          type = types.str;
          default = "root";
          description = "The group that owns the secret: a name, or `+` and a gid.";
        };
        mode = mkOption {
          type = types.strMatching "0?[0-7]{3}" // {
            description = "octal mode, such as 0400";
          };
          default = "0400";
          description = "The permission bits of the file.";
        };
        restartUnits = units "restarted";
        reloadUnits = units "reloaded";
        neededForUsers = mkOption {
          type = types.bool;
          default = false;
          description = ''
            Whether to place it before users and groups are changed, as a `hashedPasswordFile` must be. Such a
            secret belongs to root.
          '';
        };
        path = mkOption {
          type = types.str;
          readOnly = true;
          default = "/run/system-manager/secrets/${name}";
          description = "The path where services read the secret.";
        };
      };
    };

  names = builtins.attrNames cfg;
  isName = name: builtins.match "[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,99}" name != null;
  inStore = name: cfg.${name}.file != null && lib.hasPrefix builtins.storeDir cfg.${name}.file;
  isOne = name: (cfg.${name}.file == null) != (cfg.${name}.command == null);
  early =
    name: cfg.${name}.neededForUsers && (cfg.${name}.owner != "root" || cfg.${name}.group != "root");

  # Each with what is wrong about it.
  wrong =
    lib.concatMap
      (
        check:
        map (name: "system-manager.secrets.${name}: ${check.why}") (
          lib.filter (name: !check.isRight name) names
        )
      )
      [
        {
          isRight = isName;
          why = "a name has letters, digits, `_`, `-` and `.` only";
        }
        {
          isRight = isOne;
          why = "it needs either `file` or `command`";
        }
        {
          isRight = name: !inStore name;
          why = "its `file` is in the store, where everybody reads it";
        }
        {
          isRight = name: !early name;
          why = "with `neededForUsers`, no other owner than root is there yet";
        }
      ];

  hasAny = test: lib.any test (builtins.attrValues cfg);
  call = flags: ''"$systemConfig/bin/system-manager" place-secrets${flags}'';
in
{
  options.system-manager.secrets = mkOption {
    type = types.attrsOf (types.submodule secret);
    default = { };
    example = lib.literalExpression ''
      {
        web = {
          command = "pass show web";
          owner = "www-data";
          restartUnits = [ "web.service" ];
        };
      }
    '';
    description = ''
      Secrets that are read on the machine that runs the switch, and sent alongside the configuration: they are
      never in the store, a plan, a log or the arguments of a program. The host stores them readable only by root,
      and encrypted if it has `systemd-creds`. It places them in `/run/system-manager/secrets` before units start,
      also at boot, where `LoadCredential` can read them.
    '';
  };

  config = {
    assertions = map (message: {
      assertion = false;
      inherit message;
    }) wrong;

    system.activationScripts = lib.mkMerge [
      (lib.mkIf (hasAny (s: s.neededForUsers)) {
        system-manager-secrets-for-users.text = call " --for-users";
        users.deps = [ "system-manager-secrets-for-users" ];
      })
      (lib.mkIf (hasAny (s: !s.neededForUsers)) {
        system-manager-secrets = {
          deps = [ "users" ];
          text = call "";
        };
      })
    ];

    system.build.secrets = lib.mapAttrsToList (name: s: {
      inherit name;
      inherit (s)
        file
        command
        owner
        group
        mode
        restartUnits
        reloadUnits
        neededForUsers
        ;
    }) cfg;
  };
}
