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
        Variables of login shells, of the services that a user's service manager starts (environment.d(5)), and of sessions
        whose file of PAM names `/etc/pam/environment`. The second file can't hold control characters, the third no newline,
        `"`, backslash or `#`: a variable with such a value is left out there.
      '';
    };
    extraInit = lines "Shell commands of login shells, before all others." "umask 027";
    shellInit = lines "Shell commands of login shells." "umask 027";
    loginShellInit = lines "Shell commands of login shells, after those of `shellInit`." "umask 027";
    interactiveShellInit = lines "Shell commands of login shells that are interactive." "set -o vi";
    shellAliases = mkOption {
      type = types.attrsOf (types.nullOr (types.either types.str types.path));
      default = { };
      example = {
        ll = "ls -l";
      };
      description = "Aliases in login shells; `null` leaves one out.";
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
