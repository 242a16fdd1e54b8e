# What NixOS has for accounts: other programs that would own them, those that are always there, the group of secrets.
{ config, modulesPath, ... }:
{
  imports = [ "${modulesPath}/services/system/userborn.nix" ];
  services.userborn.enable = true;
  system.activationScripts.secrets.text = "chown :keys /run/secrets";
  system.activationScripts.users.deps = [ ];

  users.users.worker = {
    isSystemUser = true;
    inherit (config.users.users.nobody) group;
    extraGroups = [ config.users.groups.dialout.name ];
  };
  # What is said of one that is there makes it managed.
  users.users.root.openssh.authorizedKeys.keys = [ "ssh-ed25519 AAAA" ];
}
