# What a NixOS makes of the options that modules set: as much of it as this tree's modules need.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;

  option =
    type: default:
    mkOption {
      inherit type default;
      description = "As NixOS has it.";
    };
  texts = option (types.listOf types.str) [ ];
  settings = option (types.attrsOf types.anything) { };

  unit = {
    options = {
      enable = option types.bool true;
      description = option types.str "";
      after = texts;
      requires = texts;
      wants = texts;
      wantedBy = texts;
      requiredBy = texts;
      unitConfig = settings;
      restartTriggers = option (types.listOf types.unspecified) [ ];
    };
  };
  service = {
    imports = [ unit ];
    options = {
      environment = settings;
      script = option types.lines "";
      postStart = option types.lines "";
      path = option (types.listOf types.unspecified) [ ];
      serviceConfig = settings;
    };
  };
  timer = {
    imports = [ unit ];
    options.timerConfig = settings;
  };

  show = value: if builtins.isBool value then lib.boolToString value else toString value;
  section =
    name: values:
    "[${name}]\n"
    + lib.concatStrings (
      lib.mapAttrsToList (
        key: value: lib.concatMapStrings (v: "${key}=${show v}\n") (lib.toList value)
      ) values
    );
  named = set: lib.filterAttrs (_name: v: v != "" && v != [ ]) set;
  scriptOf = name: text: "${builtins.toFile "unit-script-${name}" text}/bin/${name}";
  textOf =
    u: more:
    section "Unit" (
      named {
        Description = u.description;
        After = toString u.after;
        Requires = toString u.requires;
        Wants = toString u.wants;
      }
      // u.unitConfig
    )
    + "\n"
    + more;
  serviceText =
    name: u:
    textOf u (
      section "Service" (
        {
          Environment = [ ''"PATH=/nixos"'' ] ++ lib.mapAttrsToList (k: v: ''"${k}=${v}"'') u.environment;
        }
        // lib.optionalAttrs (u.script != "") { ExecStart = scriptOf "${name}-start" u.script; }
        // lib.optionalAttrs (u.postStart != "") {
          ExecStartPost = scriptOf "${name}-post-start" u.postStart;
        }
        // u.serviceConfig
      )
    );
  unitsOf =
    suffix: text:
    lib.mapAttrs' (
      name: u:
      lib.nameValuePair "${name}.${suffix}" {
        inherit (u) enable wantedBy requiredBy;
        text = text name u;
      }
    );

  account = {
    freeformType = types.attrsOf types.anything;
    options = {
      uid = option (types.nullOr types.int) null;
      gid = option (types.nullOr types.int) null;
      group = option types.str "";
      description = option types.str "";
      home = option types.str "/var/empty";
      isNormalUser = option types.bool false;
      extraGroups = texts;
      members = texts;
    };
  };
in
{
  options = {
    assertions = option (types.listOf types.unspecified) [ ];
    warnings = texts;
    environment.etc = mkOption {
      default = { };
      description = "Files.";
      type = types.attrsOf (
        types.submodule (
          { name, ... }:
          {
            options = {
              enable = option types.bool true;
              target = option types.str name;
              text = option (types.nullOr types.lines) null;
              source = option types.unspecified null;
            };
          }
        )
      );
    };
    nixpkgs.overlays = option (types.listOf types.unspecified) [ ];
    nixpkgs.system = option types.str "";
    nixpkgs.pkgs = lib.mkOption {
      type = types.unspecified;
      default = import ../.. { localSystem = { inherit (config.nixpkgs) system; }; };
    };
    system.stateVersion = option types.str "";
    systemd.services = option (types.attrsOf (types.submodule service)) { };
    systemd.timers = option (types.attrsOf (types.submodule timer)) { };
    systemd.tmpfiles.rules = texts;
    systemd.tmpfiles.settings = settings;
    systemd.user.units = settings;
    systemd.units = mkOption {
      default = { };
      description = "Units as texts.";
      type = types.attrsOf (
        types.submodule {
          options = {
            enable = option types.bool true;
            text = option (types.nullOr types.str) null;
            wantedBy = texts;
            requiredBy = texts;
          };
        }
      );
    };
    users.users = option (types.attrsOf (types.submodule account)) { };
    users.groups = option (types.attrsOf (types.submodule account)) { };
  };

  config = {
    assertions = [
      {
        assertion = false;
        message = "the `fileSystems` option does not specify your root file system";
      }
    ];
    _module.args.pkgs = lib.foldl' (
      pkgs: overlay: pkgs // overlay pkgs pkgs
    ) config.nixpkgs.pkgs config.nixpkgs.overlays;
    environment.etc."nixos-release".text = "NixOS\n";
    systemd.units =
      unitsOf "service" serviceText config.systemd.services
      // unitsOf "timer" (_name: u: textOf u (section "Timer" u.timerConfig)) config.systemd.timers;
  };
}
