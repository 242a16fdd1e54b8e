# What configurations of numtide/system-manager, and flakes around them, read below `config.build`.
{ config, lib, ... }:
let
  inherit (config.system.build) manifest toplevel;
  output =
    value:
    lib.mkOption {
      type = lib.types.raw;
      default = value;
      readOnly = true;
      internal = true;
      visible = false;
    };
in
{
  options.build = {
    toplevel = output toplevel;
    etc.entries = output (lib.filterAttrs (_name: entry: entry.enable) config.environment.etc);
    etc.staticEnv = output "${toplevel}/etc";
    services = output (lib.mapAttrs (_name: unit: { storePath = unit.source; }) manifest.units);
    # One program does what these did there.
    scripts = output { };
  };
}
