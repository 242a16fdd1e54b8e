# Checks at build time, and checks on the target before anything is changed.
{
  config,
  lib,
  build,
  ...
}:
let
  inherit (lib) mkOption types;

  preActivation =
    { name, ... }:
    {
      options = {
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
        script = mkOption {
          type = types.lines;
          example = "test -e /etc/debian_version";
          description = "Shell commands; the host is activated only when they exit with status 0.";
        };
      };
    };

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

  config.system.build.preActivationChecks = map (c: {
    inherit (c) name;
    script = build.writeScript "check-${c.name}" "#!${build.shell}\n${c.script}";
  }) enabled;
}
