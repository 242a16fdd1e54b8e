# Files and folders that systemd-tmpfiles creates, sets right and cleans up.
{
  config,
  lib,
  build,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.systemd.tmpfiles;

  field =
    default: description:
    mkOption {
      type = types.str;
      inherit default description;
    };

  rule =
    { name, ... }:
    {
      options = {
        type = field name "The line's type, with its modifiers." // {
          defaultText = lib.literalMD "the attribute's name";
        };
        mode = field "-" "The permission bits.";
        user = field "-" "The owner: a name or a number.";
        group = field "-" "The group: a name or a number.";
        age = field "-" "The age from which contents are cleaned up.";
        argument = field "" "An argument that depends on the type, such as the target of a link.";
      };
    };

  quoted = text: "'${lib.replaceStrings [ "'" ] [ "\\'" ] text}'";

  # systemd-tmpfiles undoes C escapes in the argument, of every type.
  escaped = lib.replaceStrings [ "\\" "\n" "\t" "\r" ] [ "\\\\" "\\n" "\\t" "\\r" ];
  line =
    path: r:
    lib.concatStringsSep " " (
      map quoted [
        r.type
        path
        r.mode
        r.user
        r.group
        r.age
      ]
      ++ lib.optional (r.argument != "") (escaped r.argument)
    );
  lines =
    paths:
    lib.concatLists (
      lib.mapAttrsToList (path: types: map (line path) (builtins.attrValues types)) paths
    );

  settings = lib.mapAttrs (_name: lines) cfg.settings;
  byFile = settings // {
    "00-nixos" = cfg.rules ++ settings."00-nixos" or [ ];
  };

  file =
    name: content: build.writeText "tmpfiles-${name}.conf" (lib.concatMapStrings (l: "${l}\n") content);
in
{
  options.systemd.tmpfiles = {
    rules = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "d /var/lib/app 0750 app app -" ];
      description = "Lines for tmpfiles.d(5); they become `00-nixos.conf`.";
    };
    settings = mkOption {
      type = types.attrsOf (types.attrsOf (types.attrsOf (types.submodule rule)));
      default = { };
      example = {
        "10-app"."/var/lib/app".d = {
          mode = "0750";
          user = "app";
          group = "app";
        };
      };
      description = "Rules as data, by file name without `.conf`, path and type.";
    };
    packages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      example = lib.literalExpression "[ pkgs.lvm2 ]";
      description = "Packages whose `lib/tmpfiles.d/*.conf` is linked.";
    };
  };

  config.system.build = {
    tmpfiles = lib.mapAttrs' (name: parts: lib.nameValuePair "${name}.conf" (file name parts)) (
      lib.filterAttrs (_name: parts: parts != [ ]) byFile
    );
    tmpfilesPackages = lib.unique (map (p: "${lib.getLib p}") cfg.packages);
  };
}
