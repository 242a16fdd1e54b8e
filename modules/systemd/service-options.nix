# The options of services, besides those that units of every type have.
{ lib, build }:
{ enableStrictShellChecks }:
{ name, config, ... }:
let
  inherit (lib) mkOption types;
  inherit (import ./options.nix { inherit lib; }) sectionOption;
  inherit (import ./types.nix { inherit lib; }) variables;

  # The folders in which a distribution keeps its programs; systemd's own default.
  hostPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

  script =
    description:
    mkOption {
      type = types.lines;
      default = "";
      inherit description;
    };

  flag =
    default: description:
    mkOption {
      type = types.bool;
      inherit default description;
    };

  # Gives the command of a script of the service. `%`, which systemd would expand, stays out of names.
  command =
    phase: text:
    build.writeScript
      (builtins.replaceStrings
        [
          "%"
          "@"
        ]
        [
          "-"
          "_"
        ]
        "${name}-${phase}"
      )
      ''
        #!${build.shell}
        ${if config.enableStrictShellChecks then "set -o errexit -o nounset -o pipefail" else "set -e"}

        ${text}
      '';
  whenSet = text: lib.mkIf (text != "");
in
{
  options = {
    environment = mkOption {
      type = variables;
      default = { };
      example = {
        LANG = "C.UTF-8";
      };
      description = "Environment variables of the service's processes; `null` omits one.";
    };
    path = mkOption {
      type = types.listOf (
        types.oneOf [
          types.package
          types.str
        ]
      );
      default = [ ];
      example = lib.literalExpression "[ pkgs.jq ]";
      description = ''
        Packages whose `bin` and `sbin` come first in the service's `PATH`, followed by the distribution's folders.
      '';
    };
    enableDefaultPath = flag true "Whether the distribution's folders follow `path` in `PATH`.";
    serviceConfig = sectionOption "Service" "systemd.service(5)" { RestartSec = 5; };
    script = script "Shell commands of the main process.";
    scriptArgs = mkOption {
      type = types.str;
      default = "";
      example = "%i";
      description = "Arguments of `script`.";
    };
    preStart = script "Shell commands that run before the main process starts.";
    postStart = script "Shell commands that run after the main process has started.";
    reload = script "Shell commands that reload the service.";
    preStop = script "Shell commands that stop the service.";
    postStop = script "Shell commands that run after the service has stopped.";
    enableStrictShellChecks = mkOption {
      type = types.bool;
      default = enableStrictShellChecks;
      defaultText = lib.literalExpression "config.systemd.enableStrictShellChecks";
      description = ''
        Whether the scripts run with `errexit`, `nounset` and `pipefail`. They are not passed to
        shellcheck, as NixOS does.
      '';
    };
    restartIfChanged = flag true "Whether a switch restarts the service if it has changed.";
    reloadIfChanged = flag false ''
      Whether a switch reloads the service if it has changed, instead of restarting it.
    '';
    stopIfChanged = flag true ''
      Whether a changed service is stopped with its old definition and started with the new one, instead of being
      restarted in one step.
    '';
    notSocketActivated = flag false ''
      Whether a switch starts a changed service that has a socket, instead of leaving that to the socket.
    '';
    startAt = mkOption {
      type = types.coercedTo types.str lib.singleton (types.listOf types.str);
      default = [ ];
      example = "Sun 14:00:00";
      description = "When a timer starts the service, in the syntax of systemd.time(7).";
    };
    jobScripts = mkOption {
      type = types.listOf types.path;
      internal = true;
      default = [ ];
      description = "The scripts of the service.";
    };
  };

  config = lib.mkMerge (
    [
      {
        # Without packages, systemd's own default has the same folders.
        environment.PATH = lib.mkIf (config.path != [ ]) (
          lib.concatStringsSep ":" (
            [
              (lib.makeBinPath config.path)
              (lib.makeSearchPathOutput "bin" "sbin" config.path)
            ]
            ++ lib.optional config.enableDefaultPath hostPath
          )
        );
      }
    ]
    ++
      map
        (
          {
            phase,
            text,
            key,
            args ? "",
            repeated ? true,
          }:
          whenSet text (
            let
              path = command phase text;
              line = if args == "" then path else "${path} ${args}";
            in
            {
              jobScripts = [ path ];
              serviceConfig.${key} = if repeated then [ line ] else line;
            }
          )
        )
        [
          {
            phase = "pre-start";
            text = config.preStart;
            key = "ExecStartPre";
          }
          {
            phase = "start";
            text = config.script;
            key = "ExecStart";
            args = config.scriptArgs;
            repeated = false;
          }
          {
            phase = "post-start";
            text = config.postStart;
            key = "ExecStartPost";
          }
          {
            phase = "reload";
            text = config.reload;
            key = "ExecReload";
            repeated = false;
          }
          {
            phase = "pre-stop";
            text = config.preStop;
            key = "ExecStop";
            repeated = false;
          }
          {
            phase = "post-stop";
            text = config.postStop;
            key = "ExecStopPost";
            repeated = false;
          }
        ]
  );
}
