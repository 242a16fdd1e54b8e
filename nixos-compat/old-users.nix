# Users without a group or a kind, as NixOS had them until 2021: services, in the group `nogroup`.
{ lib, ... }:
let
  user =
    { config, ... }:
    {
      config = {
        group = lib.mkOverride 1400 "nogroup";
        isSystemUser = lib.mkIf (!config.isNormalUser) (lib.mkOverride 900 true);
      };
    };
in
{
  options.users.users = lib.mkOption { type = lib.types.attrsOf (lib.types.submodule user); };
}
