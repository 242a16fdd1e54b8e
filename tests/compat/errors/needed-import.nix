# error: `services.storage.enable` is set in `tests/compat/nixpkgs/nixos/modules/services/web/webd/default.nix`
# error: hint: add "${modulesPath}/services/database/storage.nix"
{ modulesPath, ... }:
{
  imports = [ "${modulesPath}/services/web/webd" ];
  nixos-compat.autoImport = false;
  services.webd = {
    enable = true;
    database = true;
  };
}
