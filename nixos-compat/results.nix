# Puts what was found about the settings where the user sees it.
{ findings }:
{ config, lib, ... }:
{
  system-manager.noEffect = findings.noEffect;

  assertions = lib.optionals (!config.nixos-compat.autoImport) (
    map (m: {
      assertion = false;
      message = ''
        `${m.option}` is set in ${
          lib.concatMapStringsSep ", " (f: "`${f}`") m.definedIn
        }, but the module that acts on it is not imported.
          hint: add "''${modulesPath}/${m.import}" to `imports`, or set `nixos-compat.autoImport = true`'';
    }) findings.missing
  );
}
