# Settings of the distribution's sshd.
#
# What is set goes to a file that the distribution's own configuration includes, and what is not stays as it is there:
# a default of NixOS is no wish. Host keys, the daemon and its open sessions are never touched; it is reloaded.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (import ../settings.nix { inherit lib; }) discharge;
  inherit (import ../text.nix { inherit lib; }) terminated;
  cfg = config.services.openssh;
  opts = options.services.openssh;

  atom = types.oneOf [
    types.bool
    types.int
    types.str
  ];
  value = types.nullOr (types.either atom (types.listOf types.str));
  # What NixOS has by default, for modules that read it.
  read =
    type: default: description:
    mkOption { inherit type default description; };

  isSet = option: option.highestPrio < (lib.mkOptionDefault null).priority;
  # The settings that somebody defined, in contrast to those that only have a default.
  defined = lib.unique (
    lib.concatMap (set: lib.filter (name: discharge set.${name} != [ ]) (builtins.attrNames set)) (
      lib.filter builtins.isAttrs opts.settings.definitions
    )
  );
  settings = lib.filterAttrs (name: v: v != null && lib.elem name defined) cfg.settings;

  # sshd takes some lists in one word.
  isOneWord =
    name: builtins.match ".*(algorithms|acceptedkeytypes|ciphers|macs)" (lib.toLower name) != null;
  shown =
    name: v:
    if v == true then
      "yes"
    else if v == false then
      "no"
    else if builtins.isList v then
      lib.concatStringsSep (if isOneWord name then "," else " ") v
    else
      toString v;

  listen =
    { addr, port }:
    let
      bracketed = if lib.hasInfix ":" addr && !lib.hasPrefix "[" addr then "[${addr}]" else addr;
    in
    "ListenAddress ${if port == null then addr else "${bracketed}:${toString port}"}\n";

  usersWithKeys = config.system.build.usersWithKeys;
  keyFiles = lib.optionals (usersWithKeys != [ ] || cfg.enable && cfg.authorizedKeysFiles != [ ]) (
    lib.unique (
      [
        ".ssh/authorized_keys"
        ".ssh/authorized_keys2"
        "/etc/ssh/authorized_keys.d/%u"
      ]
      ++ cfg.authorizedKeysFiles
    )
  );
  hasPorts = isSet opts.ports || cfg.listenAddresses != [ ];

  text =
    lib.optionalString (keyFiles != [ ]) "AuthorizedKeysFile ${lib.concatStringsSep " " keyFiles}\n"
    + lib.optionalString cfg.enable (
      lib.optionalString (isSet opts.ports) (lib.concatMapStrings (p: "Port ${toString p}\n") cfg.ports)
      + lib.concatMapStrings listen cfg.listenAddresses
      + lib.optionalString (cfg.authorizedKeysCommand != "none") ''
        AuthorizedKeysCommand ${cfg.authorizedKeysCommand}
        AuthorizedKeysCommandUser ${cfg.authorizedKeysCommandUser}
      ''
      + lib.concatStrings (lib.mapAttrsToList (name: v: "${name} ${shown name v}\n") settings)
      # Last, since it may hold a `Match`.
      + terminated cfg.extraConfig
    );
  file = "${config.environment.etc.${place}.source}";

  unit =
    {
      debian = "ssh.service";
      fedora = "sshd.service";
    }
    .${config.nixos-compat.distributionFacts.family};

  # Who gets a way in by this configuration, as far as they have a shell.
  users = lib.filter (u: u.enable && (u.isNormalUser || u.name == "root")) (
    builtins.attrValues config.users.users
  );
  hasPassword =
    u:
    lib.any (v: v != null && v != "!" && v != "*") [
      u.hashedPassword
      u.hashedPasswordFile
      u.password
    ];
  names = list: lib.escapeShellArg (lib.concatMapStringsSep " " (u: u.name) list);
  place = "ssh/sshd_config.d/10-system-manager.conf";

  was =
    new: old:
    lib.doRename {
      from = [
        "services"
        "openssh"
        old
      ];
      to = [
        "services"
        "openssh"
        "settings"
        new
      ];
      visible = false;
      warn = false;
      use = x: x;
    };
in
{
  # The names until 2022.
  imports = lib.mapAttrsToList (old: new: was new old) {
    challengeResponseAuthentication = "KbdInteractiveAuthentication";
    ciphers = "Ciphers";
    forwardX11 = "X11Forwarding";
    gatewayPorts = "GatewayPorts";
    kbdInteractiveAuthentication = "KbdInteractiveAuthentication";
    kexAlgorithms = "KexAlgorithms";
    logLevel = "LogLevel";
    macs = "Macs";
    passwordAuthentication = "PasswordAuthentication";
    permitRootLogin = "PermitRootLogin";
    useDns = "UseDns";
  };

  options.services.openssh = {
    enable = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether to run the distribution's sshd with these settings. Otherwise sshd is left as the distribution
        configures it, apart from the keys in {option}`users.users.<name>.openssh.authorizedKeys`.
      '';
    };
    settings = mkOption {
      type = types.submodule {
        freeformType = types.attrsOf value;
        options = {
          PermitRootLogin = read types.str "prohibit-password" "Whether and how root can log in.";
          PasswordAuthentication = read types.bool true "Whether to allow logging in with a password.";
          KbdInteractiveAuthentication =
            read types.bool true
              "Whether to allow keyboard-interactive authentication.";
          GatewayPorts = read types.str "no" "Whether other hosts can use forwarded ports.";
          X11Forwarding = read types.bool false "Whether to forward X11.";
          UseDns = read types.bool false "Whether to look up the host names of clients.";
          LogLevel = read types.str "INFO" "How much to log.";
        };
      };
      default = { };
      example = {
        PasswordAuthentication = false;
        PermitRootLogin = "no";
        AllowGroups = [ "admins" ];
      };
      description = ''
        Settings for sshd_config(5). Settings that you do not set stay the distribution's, whatever default is
        listed here.
      '';
    };
    ports = mkOption {
      type = types.listOf types.port;
      default = [ 22 ];
      example = [ 2222 ];
      description = ''
        The ports on which sshd listens, in addition to any in the distribution's own configuration. If it is not
        set, the ports stay the distribution's.
      '';
    };
    listenAddresses = mkOption {
      type = types.listOf (
        types.submodule {
          options = {
            addr = mkOption {
              type = types.str;
              description = "The address or host name.";
            };
            port = mkOption {
              type = types.nullOr types.port;
              default = null;
              description = "The port; the default is all of {option}`services.openssh.ports`.";
            };
          };
        }
      );
      default = [ ];
      example = [ { addr = "192.0.2.1"; } ];
      description = "The addresses on which sshd listens.";
    };
    openFirewall = mkOption {
      type = types.bool;
      default = true;
      description = "Whether to open these ports in this configuration's firewall, if that is enabled.";
    };
    authorizedKeysFiles = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "/srv/keys/%u" ];
      description = "Additional files with users' keys, besides those in home directories and those of this configuration.";
    };
    authorizedKeysCommand = mkOption {
      type = types.str;
      default = "none";
      example = "/usr/bin/sss_ssh_authorizedkeys";
      description = "A program that prints a user's keys.";
    };
    authorizedKeysCommandUser = mkOption {
      type = types.str;
      default = "nobody";
      description = "The user that runs this program.";
    };
    extraConfig = mkOption {
      type = types.lines;
      default = "";
      example = ''
        Match Group sftponly
          ForceCommand internal-sftp
      '';
      description = "Lines for sshd_config(5), after all others.";
    };
  };

  config = lib.mkMerge [
    (lib.mkIf (text != "") {
      environment.etc = {
        # A copy, since a policy of SELinux may keep sshd from files of the store. The first value counts, so that the
        # number is below those of cloud images.
        ${place} = {
          inherit text;
          mode = "0600";
        };
      };
      system-manager.preActivationAssertions.openssh.script = ''
        ours=${file}
        place=/etc/${place}
        ports_are_set=${lib.optionalString (cfg.enable && hasPorts) "yes"}
        may_lock_out=${lib.optionalString config.users.allowNoPasswordLogin "yes"}
        key_users=${names (lib.filter (u: lib.elem u.name usersWithKeys) users)}
        password_users=${names (lib.filter hasPassword users)}
        ${builtins.readFile ./sshd-check.sh}
      '';
    })
    (lib.mkIf (text != "" || cfg.enable) {
      # A unit with a drop-in of ours is one that a switch starts, where the target wants it.
      environment.etc."systemd/system/${unit}.d/system-manager-openssh.conf".text = ''
        [Unit]
      ''
      + lib.optionalString (text != "") "X-Reload-Triggers=${file}\n";
    })
    (lib.mkIf cfg.enable {
      environment.etc."systemd/system/multi-user.target.d/system-manager-openssh.conf".text = ''
        [Unit]
        Wants=${unit}
      '';
      system-manager.hostRequirements = [
        {
          path = "/usr/sbin/sshd";
          package = "services.openssh";
          install = {
            debian = "openssh-server";
            fedora = "openssh-server";
          };
        }
      ];
    })
  ];
}
