# Checks at build time, and checks on the target before anything is changed.
{
  config,
  lib,
  build,
  ...
}:
let
  inherit (lib) mkOption types;

  # What every check on the target has.
  named = name: {
    enable = mkOption {
      type = types.bool;
      default = true;
      description = "Whether the check runs.";
    };
    name = mkOption {
      type = types.str;
      default = name;
      description = "The name by which a failure is reported.";
    };
  };

  preActivation =
    { name, ... }:
    {
      options = named name // {
        script = mkOption {
          type = types.lines;
          example = "test -e /etc/debian_version";
          description = "Shell commands; the host is activated only when they exit with status 0.";
        };
      };
    };

  unit =
    types.strMatching "[a-zA-Z0-9:_.@\\-]+[.](automount|device|mount|path|scope|service|slice|socket|swap|target|timer)"
    // {
      description = "name of a unit, with its suffix";
    };

  health =
    { name, ... }:
    {
      options = named name // {
        script = mkOption {
          type = types.nullOr types.lines;
          default = null;
          example = "curl --fail --silent http://localhost/";
          description = "Shell commands; the host is well only when they exit with status 0.";
        };
        units = mkOption {
          type = types.listOf unit;
          default = [ ];
          example = [ "nginx.service" ];
          description = "Units that must be active, whoever they are of. They are looked at before the script runs.";
        };
        timeout = mkOption {
          type = types.ints.between 1 86400;
          default = 10;
          description = ''
            How many seconds an attempt of the script may take. At the end of them it is ended with all that it has started.
          '';
        };
        retries = mkOption {
          type = types.ints.between 0 1000;
          default = 5;
          description = "How often it is tried again, each time a second later, before the check has failed.";
        };
      };
    };

  healthChecks = lib.filter (c: c.enable) (builtins.attrValues config.system-manager.healthChecks);
  empty = lib.filter (c: c.script == null && c.units == [ ]) healthChecks;

  enabled = lib.filter (c: c.enable) (
    builtins.attrValues config.system-manager.preActivationAssertions
  );
in
{
  options.system.checks = mkOption {
    type = types.listOf types.package;
    default = [ ];
    example = lib.literalExpression ''[ (pkgs.runCommand "check" { } "test -e ''${./file} && touch $out") ]'';
    description = "Packages that have to build for the configuration to build, and are not part of it.";
  };

  options.system-manager.preActivationAssertions = mkOption {
    type = types.attrsOf (types.submodule preActivation);
    default = { };
    example = lib.literalExpression ''{ is-debian.script = "test -e /etc/debian_version"; }'';
    description = ''
      Scripts that run on the target before an activation. When one fails, nothing is changed.
    '';
  };

  options.system-manager.healthChecks = mkOption {
    type = types.attrsOf (types.submodule health);
    default = { };
    example = lib.literalExpression ''
      {
        web = {
          units = [ "nginx.service" ];
          script = "curl --fail --silent http://localhost/";
        };
      }
    '';
    description = ''
      What must be well once an activation has done all else, also one that had nothing to do. A check that fails is exit
      code 4; it is the way back for a switch with `--rollback-on-failure`, and for one from another host that has still to
      be confirmed. Where many hosts are switched in batches, the next one does not begin.
    '';
  };

  config.assertions = [
    {
      assertion = empty == [ ];
      message = "system-manager.healthChecks: ${
        lib.concatMapStringsSep ", " (c: c.name) empty
      } has neither a `script` nor `units`";
    }
  ];

  config.system.build.healthChecks = map (c: {
    inherit (c)
      name
      units
      timeout
      retries
      ;
    script =
      if c.script == null then
        null
      else
        build.writeScript "health-${c.name}" "#!${build.shell}\n${c.script}";
  }) healthChecks;

  config.system.build.preActivationChecks = map (c: {
    inherit (c) name;
    script = build.writeScript "check-${c.name}" "#!${build.shell}\n${c.script}";
  }) enabled;
}
