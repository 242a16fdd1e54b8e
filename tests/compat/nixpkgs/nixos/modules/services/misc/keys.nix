# A service whose keys are made by a script, after the user that owns them and before the service starts.
{ config, lib, ... }:
let
  cfg = config.services.keys;
in
{
  options.services.keys = {
    enable = lib.mkEnableOption "keys";
    user = lib.mkOption {
      type = lib.types.str;
      default = "keys";
      description = "The owner.";
    };
  };

  config = lib.mkIf cfg.enable {
    users.users.${cfg.user} = {
      isSystemUser = true;
      group = cfg.user;
    };
    users.groups.${cfg.user} = { };
    system.activationScripts = {
      keys-folder = lib.stringAfter [
        "specialfs"
        "users"
        "groups"
      ] "install -d -o ${cfg.user} /run/keys";
      keys = {
        deps = [
          "keys-folder"
          "etc"
        ];
        text = lib.optionalString (cfg.user != "") "touch /run/keys/key";
        supportsDryActivation = true;
      };
      # For the passwords of users.
      passwords = lib.stringAfter [ "specialfs" ] "true";
      users.deps = [ "passwords" ];
    };
    systemd.services.keys = {
      wantedBy = [ "multi-user.target" ];
      serviceConfig.ExecStart = "/usr/bin/keys /run/keys/key";
    };
  };
}
