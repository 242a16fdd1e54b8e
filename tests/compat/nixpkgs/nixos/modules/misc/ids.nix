{ lib, ... }:
{
  options.ids.uids = lib.mkOption {
    internal = true;
    type = lib.types.attrsOf lib.types.int;
    description = "The numbers of users.";
  };
  config.ids.uids.webd = 260;
}
