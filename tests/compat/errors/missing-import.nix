# error: `services.storage.enable` is set in `tests/compat/errors/missing-import.nix`, but the module that acts on it is not imported.
# error: hint: add "${modulesPath}/services/database/storage.nix" to `imports`, or set `nixos-compat.autoImport = true`
# error: `services.rotate.enable` is set in
{
  services.storage.enable = true;
  services.rotate.enable = true;
}
