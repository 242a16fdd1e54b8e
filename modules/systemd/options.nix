# The options that units of every type have, with NixOS's names, types and defaults.
{ lib }:
let
  inherit (lib) mkOption types;
  unitTypes = import ./types.nix { inherit lib; };

  # A list of units, rendered as one key of `[Unit]`.
  relation =
    description:
    mkOption {
      type = types.listOf unitTypes.unitName;
      default = [ ];
      example = [ "network-online.target" ];
      inherit description;
    };

  triggers =
    action:
    mkOption {
      type = types.listOf types.unspecified;
      default = [ ];
      example = lib.literalExpression "[ config.environment.etc.\"app.conf\".source ]";
      description = "Values of any kind; a change of one ${action} the unit on the next switch.";
    };
in
{
  # Options of `systemd.units.<name>` and of every typed unit.
  shared = {
    enable = mkOption {
      type = types.bool;
      default = true;
      description = "If false, the unit is masked: its file is a link to `/dev/null`.";
    };
    overrideStrategy = mkOption {
      type = types.enum [
        "asDropinIfExists"
        "asDropin"
      ];
      default = "asDropinIfExists";
      description = ''
        What to do if another unit has the same name. `asDropinIfExists` makes it a drop-in if a package in
        `systemd.packages` contains the unit; `asDropin` always makes it a drop-in, even for a unit of the
        distribution.
      '';
    };
    aliases = relation "Additional names of the unit.";
    wantedBy = relation "Units that want this one: it is linked into their `.wants` folder.";
    requiredBy = relation "Units that require this one: it is linked into their `.requires` folder.";
    upheldBy = relation "Units that keep this one running: it is linked into their `.upholds` folder.";
  };

  # Options of every typed unit.
  common = {
    name = mkOption {
      type = unitTypes.unitName;
      description = "The unit's name, with its suffix.";
    };
    description = mkOption {
      type = types.singleLineStr;
      default = "";
      description = "A short description of the unit.";
    };
    documentation = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "man:nginx(8)" ];
      description = "Addresses of documentation.";
    };
    requires = relation "Units that are started with this one, and whose stop or failure stops it.";
    wants = relation "Units that are started with this one.";
    upholds = relation "Units that are kept running while this one runs.";
    after = relation "Units that are started before this one, if they are started at all.";
    before = relation "Units that are started after this one, if they are started at all.";
    bindsTo = relation "Like `requires`; in addition, this unit is stopped when one of them disappears.";
    partOf = relation "Units whose stop or restart stops or restarts this one.";
    conflicts = relation "Units that are stopped when this one starts, and vice versa.";
    requisite = relation "Units that must be running already when this one starts.";
    onFailure = relation "Units that are started when this one fails.";
    onSuccess = relation "Units that are started when this one finishes successfully.";
    startLimitBurst = mkOption {
      type = types.int;
      description = "How many starts are allowed within `startLimitIntervalSec`.";
    };
    startLimitIntervalSec = mkOption {
      type = types.int;
      description = "The interval in which starts are counted, in seconds.";
    };
    unitConfig = mkOption {
      type = unitTypes.section;
      default = { };
      example = {
        RequiresMountsFor = "/data";
      };
      description = "Keys of the `[Unit]` section, see systemd.unit(5).";
    };
    restartTriggers = triggers "restarts";
    reloadTriggers = triggers "reloads";
  };

  # A freely written section such as `[Timer]`.
  sectionOption =
    section: manual: example:
    mkOption {
      type = unitTypes.section;
      default = { };
      inherit example;
      description = "Keys of the `[${section}]` section, see ${manual}.";
    };
}
