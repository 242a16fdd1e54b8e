# Logs that the distribution's logrotate rotates, beside its own.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.logrotate;

  value = types.nullOr (
    types.oneOf [
      types.bool
      types.int
      types.float
      types.str
    ]
  );
  entry =
    { name, ... }:
    {
      freeformType = types.attrsOf value;
      options = {
        enable = mkOption {
          type = types.bool;
          default = true;
          description = "Whether to rotate these logs.";
        };
        global = mkOption {
          type = types.bool;
          default = false;
          description = "Whether the entry applies to all logs of this configuration instead of to `files`.";
        };
        files = mkOption {
          type = types.coercedTo types.str lib.singleton (types.listOf types.str);
          default = if name == "header" then [ ] else [ name ];
          defaultText = lib.literalMD "the attribute's name";
          description = "The log files; may contain wildcards such as `*`.";
        };
        frequency = mkOption {
          type = types.nullOr types.str;
          default = null;
          example = "weekly";
          description = "How often to rotate.";
        };
        priority = mkOption {
          type = types.int;
          default = 1000;
          description = "The position in the file; lower numbers come first.";
        };
      };
    };

  # Commands that span lines end with a line of their own.
  scripts = [
    "prerotate"
    "postrotate"
    "firstaction"
    "lastaction"
    "preremove"
  ];
  line =
    name: v:
    if v == null || v == false then
      ""
    else if v == true then
      "  ${name}\n"
    else if lib.elem name scripts then
      "  ${name}\n${toString v}\n  endscript\n"
    else
      "  ${name} ${toString v}\n";
  settings =
    e:
    lib.concatStrings (
      lib.optional (e.frequency != null) "  ${e.frequency}\n"
      ++ lib.mapAttrsToList line (
        removeAttrs e [
          "enable"
          "files"
          "frequency"
          "global"
          "priority"
        ]
      )
    );
  quoted = f: "\"${f}\"";
  # A setting of ours must not become that of the distribution's own logs.
  shown = e: "${lib.concatMapStringsSep " " quoted e.files} {\n${header}${settings e}}\n";

  sorted = builtins.sort (a: b: a.priority < b.priority) (
    lib.filter (e: e.enable) (builtins.attrValues cfg.settings)
  );
  isGlobal = e: e.global || e.files == [ ];
  header = lib.concatMapStrings settings (lib.filter isGlobal sorted);
  text = lib.concatMapStringsSep "\n" shown (lib.filter (e: !(isGlobal e)) sorted);
in
{
  options.services.logrotate.settings = mkOption {
    type = types.attrsOf (types.submodule entry);
    default = { };
    example = {
      "/var/log/app/*.log" = {
        frequency = "weekly";
        rotate = 4;
        compress = true;
      };
    };
    description = ''
      Logs to rotate, with settings as in logrotate(8), using the distribution's logrotate. Entries that are
      `global`, or named `header`, apply only to the logs of this configuration.
    '';
  };

  config.environment.etc = lib.mkIf (text != "") {
    # logrotate refuses files that anybody but root may write.
    "logrotate.d/nixos" = {
      inherit text;
      mode = "0644";
    };
  };
}
