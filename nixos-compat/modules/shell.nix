# The variables and start-up commands of login shells and of users' services.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  inherit (import ../text.nix { inherit lib; }) terminated;
  cfg = config.environment;

  lines =
    description: example:
    mkOption {
      type = types.lines;
      default = "";
      inherit description example;
    };

  # The values as the variables' own option shows them.
  session = builtins.intersectAttrs cfg.sessionVariables cfg.variables;
  present = lib.filterAttrs (_name: v: v != null) session;
  format = import ../../modules/variables.nix { inherit lib; };
  textOf =
    line:
    lib.concatStrings (
      lib.mapAttrsToList (
        name: v:
        let
          text = line name v;
        in
        if text == null then "# ${name} has a value that this file can't hold.\n" else text
      ) present
    );

  aliases = lib.filterAttrs (_name: v: v != null) cfg.shellAliases;
  interactive =
    lib.concatStrings (
      lib.mapAttrsToList (name: v: "alias -- ${name}=${lib.escapeShellArg v}\n") aliases
    )
    + terminated cfg.interactiveShellInit;
  profile =
    lib.concatMapStrings terminated [
      cfg.extraInit
      cfg.shellInit
      cfg.loginShellInit
    ]
    + lib.optionalString (interactive != "") ''
      case $- in
      *i*)
      ${interactive};;
      esac
    '';
in
{
  options.environment = {
    sessionVariables = mkOption {
      # The same values as those of `variables`, which checks them.
      type = types.attrsOf types.unspecified;
      default = { };
      example = {
        EDITOR = "vim";
      };
      description = ''
        Environment variables for login shells, for services of users (environment.d(5)), and for sessions whose PAM
        configuration reads `/etc/pam/environment`. Values with control characters are left out of the second;
        values with a newline, `"`, backslash or `#` are left out of the third.
      '';
    };
    extraInit = lines "Shell commands that login shells run before all others." "umask 027";
    shellInit = lines "Shell commands that login shells run." "umask 027";
    loginShellInit = lines "Shell commands that login shells run after those of `shellInit`." "umask 027";
    interactiveShellInit = lines "Shell commands that interactive login shells run." "set -o vi";
    shellAliases = mkOption {
      type = types.attrsOf (types.nullOr (types.either types.str types.path));
      default = { };
      example = {
        ll = "ls -l";
      };
      description = "Aliases in login shells; `null` omits one.";
    };
  };

  config = {
    environment.variables = cfg.sessionVariables;
    environment.etc = {
      "environment.d/60-nixos.conf" = lib.mkIf (present != { }) {
        text = textOf format.environmentD;
      };
      # Display managers of NixOS name it in their own files of PAM.
      "pam/environment" = lib.mkIf (present != { }) {
        text = textOf format.pamEnv;
      };
      "profile.d/system-manager-shell.sh" = lib.mkIf (profile != "") { text = profile; };
    };
  };
}
