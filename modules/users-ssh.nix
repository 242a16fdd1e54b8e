# SSH keys of users, in files that only root can write. Apart from the users' other options, since NixOS declares these
# with its sshd.
{
  config,
  lib,
  build,
  ...
}:
let
  inherit (lib) mkOption types;

  keyOptions.options.openssh.authorizedKeys = {
    keys = mkOption {
      type = types.listOf types.singleLineStr;
      default = [ ];
      example = [ "ssh-ed25519 AAAA... alice@example.org" ];
      description = "Public keys for logging in as this user, in addition to those in the home directory.";
    };
    keyFiles = mkOption {
      type = types.listOf types.path;
      default = [ ];
      description = "Files with such keys, read when the configuration is built.";
    };
  };

  keysOf =
    u: u.openssh.authorizedKeys.keys ++ map builtins.readFile u.openssh.authorizedKeys.keyFiles;
  withKeys = lib.filter (u: u.enable && keysOf u != [ ]) (builtins.attrValues config.users.users);

  # A copy, since sshd refuses files in folders that others than root can write, as the store's is.
  entry =
    u:
    lib.nameValuePair "ssh/authorized_keys.d/${u.name}" {
      mode = "0444";
      source = build.writeText "${u.name}-authorized_keys" (
        lib.concatMapStrings (k: "${lib.removeSuffix "\n" k}\n") (keysOf u)
      );
    };
in
{
  options.users.users = mkOption {
    type = types.attrsOf (types.submodule keyOptions);
  };

  config = {
    environment.etc = lib.listToAttrs (map entry withKeys);
    # nixos-compat's sshd is told where they are.
    system.build.usersWithKeys = map (u: u.name) withKeys;
  };
}
