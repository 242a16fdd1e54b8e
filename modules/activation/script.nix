# The type of an activation script, and its text as a program.
{ lib }:
let
  inherit (lib) mkOption types;
in
rec {
  type =
    extra:
    types.attrsOf (
      types.either types.str (
        types.submodule {
          options = {
            text = mkOption {
              type = types.lines;
              default = "";
              description = "The commands, for bash.";
            };
            deps = mkOption {
              type = types.listOf types.str;
              default = [ ];
              example = [ "users" ];
              description = "The scripts that must run before this one.";
            };
          }
          // extra;
        }
      )
    );

  # A script as a set, whichever form it was given in.
  normal =
    script:
    {
      deps = [ ];
      supportsDryActivation = false;
    }
    // (if builtins.isAttrs script then script else { text = script; });

  # Whether there is anything to run: a script may be nothing but a name with `deps`.
  isReal = script: builtins.match "[ \t\n]*" script.text == null;

  # As on NixOS, a command that fails does not end the script, and makes it count as failed.
  body = text: ''
    umask 0022
    _localstatus=0
    trap '_localstatus=$?' ERR
    ${text}
    exit "$_localstatus"
  '';
}
