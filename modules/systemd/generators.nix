# Programs that systemd itself runs: generators at boot, and what comes last before the host is off.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;

  programs =
    description: example:
    mkOption {
      type = types.attrsOf types.path;
      default = { };
      example = {
        app = example;
      };
      inherit description;
    };
  entries =
    folder:
    lib.mapAttrs' (name: source: lib.nameValuePair "systemd/${folder}/${name}" { inherit source; });
in
{
  options.systemd = {
    generators = programs ''
      Unit generators, see systemd.generator(7). The program `/dev/null` masks the distribution's generator of that
      name. Generators run when systemd reads its units.
    '' "/usr/lib/app/generator";
    shutdown = programs ''
      Programs that systemd runs last before the host powers off, see systemd-shutdown(8). They must not need
      `/nix`, which may be unmounted by then.
    '' "/usr/lib/app/shutdown";
  };

  config.environment.etc =
    entries "system-generators" config.systemd.generators
    // entries "system-shutdown" config.systemd.shutdown;
}
