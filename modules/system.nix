# What the other modules hang their results on, and options that describe the configuration itself.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.system.build = mkOption {
    type = types.lazyAttrsOf types.unspecified;
    internal = true;
    default = { };
    description = "Results that the modules build for each other.";
  };

  options.system.stateVersion = mkOption {
    type = types.str;
    default = "";
    example = "26.11";
    description = ''
      The NixOS release whose defaults stateful services started with. NixOS modules read it; the
      core does not.
    '';
  };

  options.system-manager.name = mkOption {
    type = types.str;
    internal = true;
    description = "The name of this configuration, as the manifest shows it.";
  };

  options.system-manager.allowAnyDistro = mkOption {
    type = types.bool;
    default = true;
    description = ''
      Accepted for configurations that were written for numtide/system-manager. Every distribution is allowed here,
      whatever the value.
    '';
  };

  options.system-manager.linkCurrentSystem = mkOption {
    type = types.bool;
    default = true;
    description = ''
      Whether `/run/current-system` is a link to the active toplevel, with the packages in `sw`, where NixOS modules
      expect programs. An existing link is left alone.
    '';
  };

  options.system-manager.noEffect = mkOption {
    type = types.listOf (
      types.submodule {
        options.option = mkOption {
          type = types.str;
          internal = true;
          description = "The option's dotted path.";
        };
        options.definedIn = mkOption {
          type = types.listOf types.str;
          default = [ ];
          internal = true;
          description = "The files that set it.";
        };
      }
    );
    internal = true;
    default = [ ];
    description = "Options that are set but mean nothing on a host that NixOS does not run.";
  };
}
