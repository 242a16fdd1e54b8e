# PAM services of our own. Those that a distribution has are its own, and stay as they are.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (lib) mkOption types;

  inherit (import ../text.nix { inherit lib; }) terminated;

  # Names that Debian, Ubuntu or Fedora bring; a definition for one of them has no effect.
  foreign = [
    "atd"
    "chfn"
    "chpasswd"
    "chsh"
    "cron"
    "crond"
    "cups"
    "gdm-password"
    "groupmems"
    "lightdm"
    "login"
    "newusers"
    "other"
    "passwd"
    "password-auth"
    "polkit-1"
    "remote"
    "runuser"
    "runuser-l"
    "sddm"
    "sshd"
    "su"
    "su-l"
    "sudo"
    "sudo-i"
    "system-auth"
    "systemd-user"
    "vlock"
  ];

  stacks = {
    debian = lib.concatMapStrings (s: "@include common-${s}\n") [
      "auth"
      "account"
      "password"
      "session-noninteractive"
    ];
    fedora = lib.concatMapStrings (s: "${s} include system-auth\n") [
      "auth"
      "account"
      "password"
      "session"
    ];
  };
  inherit (config.nixos-compat.distributionFacts) family;

  service =
    { name, ... }:
    {
      options = {
        name = mkOption {
          type = types.strMatching "[a-zA-Z0-9_.-]+";
          default = name;
          description = "The name of the service, which programs use to refer to it.";
        };
        text = mkOption {
          type = types.nullOr types.lines;
          default = null;
          description = "The PAM stack, see pam.conf(5). The default is the distribution's own.";
        };
      };
    };

  isForeign = s: lib.elem s.name foreign;
  own = lib.filterAttrs (_name: s: !(isForeign s)) config.security.pam.services;
  ignored = lib.filterAttrs (_name: isForeign) config.security.pam.services;
in
{
  options.security.pam.services = mkOption {
    type = types.attrsOf (types.submodule service);
    default = { };
    example = lib.literalExpression "{ vsftpd = { }; }";
    description = ''
      PAM services for programs of this configuration. Services that the distribution has, such as `sshd`, `login`
      and `sudo`, are left alone.
    '';
  };

  config.system-manager.noEffect = map (name: {
    option = "security.pam.services.${name}";
    definedIn = map (d: toString d.file) (
      lib.filter (d: d.value ? ${name}) options.security.pam.services.definitionsWithLocations
    );
  }) (builtins.attrNames ignored);

  config.environment.etc = lib.mapAttrs' (
    _name: s:
    lib.nameValuePair "pam.d/${s.name}" {
      text = if s.text == null then stacks.${family} else terminated s.text;
    }
  ) own;
}
