# Nothing is imported: what is enabled finds its module, and so does what that enables.
{ config, ... }:
{
  nixos-compat.autoImport = true;
  # As modules write it: the name of a group, from the groups.
  users.groups.reader = { };
  users.users.reader = {
    isSystemUser = true;
    group = config.users.groups.reader.name;
  };
  services.webd = {
    enable = true;
    database = true;
  };
  # Its module is one that ours replace.
  nix.nrBuildUsers = 4;
  services.rotate.enable = true;
  # Its options are in a file that its module imports.
  services.gate.enable = true;
}
