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
          description = "Shell commands; the activation continues only if they exit with status 0.";
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
          description = "Shell commands; the check passes if they exit with status 0.";
        };
        units = mkOption {
          type = types.listOf unit;
          default = [ ];
          example = [ "nginx.service" ];
          description = "Units that must be active, managed or not. They are checked before the script runs.";
        };
        timeout = mkOption {
          type = types.ints.between 1 86400;
          default = 10;
          description = ''
            The time limit for each attempt of the script, in seconds. When it is exceeded, the script and
            everything it has started are killed.
          '';
        };
        retries = mkOption {
          type = types.ints.between 0 1000;
          default = 5;
          description = "How often to retry, a second apart, before the check counts as failed.";
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
    description = "Packages that must build successfully for the configuration to build, but are not part of it.";
  };

  options.system.preSwitchChecks = mkOption {
    type = types.attrsOf types.str;
    default = { };
    example = lib.literalExpression ''{ no-maintenance = "test ! -e /run/maintenance"; }'';
    description = ''
      Shell commands that run on the target before a switch, each stopping at the first that fails. If one
      fails, nothing is changed. They get the new configuration's path and what is done as arguments.
    '';
  };

  options.system-manager.preActivationAssertions = mkOption {
    type = types.attrsOf (types.submodule preActivation);
    default = { };
    example = lib.literalExpression ''{ is-debian.script = "test -e /etc/debian_version"; }'';
    description = ''
      Scripts that run on the target before an activation. If one fails, nothing is changed.
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
      Checks that run at the end of each activation, even one that had nothing to do. If a check fails, the exit
      code is 4. A switch with `--rollback-on-failure` then goes back, and so does a switch from another host that
      has not been confirmed yet. If many hosts are switched in batches, the next batch does not start.
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

  config.system.build.preActivationChecks =
    map (c: {
      inherit (c) name;
      script = build.writeScript "check-${c.name}" "#!${build.shell}\n${c.script}";
    }) enabled
    ++ lib.mapAttrsToList (name: script: {
      inherit name;
      script = build.writeScript "check-${name}" "#!${build.shell}\nset -e\n${script}";
    }) config.system.preSwitchChecks;
}
