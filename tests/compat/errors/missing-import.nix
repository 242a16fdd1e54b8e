# error: `services.storage.enable` is set in `tests/compat/errors/missing-import.nix`, but the module that acts on it is not imported.
# error: hint: add "${modulesPath}/services/database/storage.nix" to `imports`, or remove `nixos-compat.autoImport = false`
# error: `services.rotate.enable` is set in
{
  nixos-compat.autoImport = false;
  services.storage.enable = true;
  services.rotate.enable = true;
}
