# Rules of sudo, beside the distribution's own.
{
  config,
  lib,
  build,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (import ../text.nix { inherit lib; }) terminated;
  cfg = config.security.sudo;

  command = {
    options = {
      command = mkOption {
        type = types.str;
        description = "The program's absolute path with arguments, or `ALL`.";
      };
      options = mkOption {
        type = types.listOf (
          types.enum [
            "NOPASSWD"
            "PASSWD"
            "NOEXEC"
            "EXEC"
            "SETENV"
            "NOSETENV"
            "LOG_INPUT"
            "NOLOG_INPUT"
            "LOG_OUTPUT"
            "NOLOG_OUTPUT"
            "MAIL"
            "NOMAIL"
            "FOLLOW"
            "NOFOLLOW"
            "INTERCEPT"
            "NOINTERCEPT"
          ]
        );
        default = [ ];
        description = "What is different for this command, see sudoers(5).";
      };
    };
  };

  who =
    description:
    mkOption {
      type = types.listOf (types.either types.str types.int);
      default = [ ];
      inherit description;
    };
  rule = {
    options = {
      users = who "The users, by name or number.";
      groups = who "The groups, by name or number.";
      commands = mkOption {
        type = types.listOf (types.either types.str (types.submodule command));
        description = "What they may run.";
      };
      host = mkOption {
        type = types.str;
        default = "ALL";
        description = "The host on which the rule applies.";
      };
      runAs = mkOption {
        type = types.str;
        default = "ALL:ALL";
        description = "The user and group to run them as.";
      };
    };
  };

  name = prefix: n: if builtins.isInt n then "${prefix}#${toString n}" else "${prefix}${n}";
  commandText =
    c: if builtins.isString c then c else "${lib.concatMapStrings (o: "${o}:") c.options} ${c.command}";
  # A line each, since what is said of a command holds for those after it in the line.
  lines =
    r:
    lib.concatMap (
      subject: map (c: "${subject} ${r.host}=(${r.runAs}) ${commandText c}\n") r.commands
    ) (map (name "") r.users ++ map (name "%") r.groups);
  text = lib.concatStrings (lib.concatMap lines cfg.extraRules) + terminated cfg.extraConfig;

  # The group of administrators is NixOS's; a distribution may have another one, which stays as it is.
  hasWheel =
    !cfg.wheelNeedsPassword
    # The main group of a user is often read from `users.groups`, which must not depend on it in turn.
    || lib.any (u: lib.elem "wheel" u.extraGroups) (builtins.attrValues config.users.users);
in
{
  options.security.sudo = {
    enable = mkOption {
      type = types.bool;
      default = true;
      description = ''
        Whether to write the other options here. The distribution's sudo and its rules stay as they are.
      '';
    };
    extraRules = mkOption {
      type = types.listOf (types.submodule rule);
      default = [ ];
      example = [
        {
          groups = [ "operators" ];
          commands = [
            {
              command = "/usr/bin/systemctl restart app.service";
              options = [ "NOPASSWD" ];
            }
          ];
        }
      ];
      description = "Who may run what as which user, in addition to the distribution's rules.";
    };
    wheelNeedsPassword = mkOption {
      type = types.bool;
      default = true;
      description = ''
        Whether members of the group `wheel` must enter their password. A rule for the group is written if it has a
        member here, or if this is false.
      '';
    };
    extraConfig = mkOption {
      type = types.lines;
      default = "";
      example = "Defaults timestamp_timeout=5";
      description = "Lines for sudoers(5).";
    };
  };

  config = lib.mkIf cfg.enable (
    lib.mkMerge [
      # The group exists in any case, so that what is in `users.groups` does not wait for who is in it.
      { system-manager.foreignAccounts.groups.wheel = hasWheel; }
      (lib.mkIf hasWheel {
        security.sudo.extraRules = lib.mkOrder 600 [
          {
            groups = [ "wheel" ];
            commands = [
              {
                command = "ALL";
                options = lib.optional (!cfg.wheelNeedsPassword) "NOPASSWD" ++ [ "SETENV" ];
              }
            ];
          }
        ];
      })
      (lib.mkIf (text != "") {
        # A name with a dot would be ignored, and sudo refuses files that others may write.
        environment.etc."sudoers.d/nixos" = {
          inherit text;
          mode = "0440";
        };
        # A mistake in any file locks everybody out of sudo.
        system-manager.preActivationAssertions.sudoers.script = ''
          if command -v visudo >/dev/null; then
            visudo --check --quiet --file=${build.writeText "sudoers" text}
          fi
        '';
      })
    ]
  );
}
