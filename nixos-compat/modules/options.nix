# Whether and how NixOS modules are used.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.nixos-compat = {
    enable = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether all options of NixOS are declared. This happens by itself as soon as a NixOS module is
        imported, or an option set that only NixOS has.
      '';
    };
    autoImport = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether the NixOS module of a service is imported as soon as the service is enabled, the way NixOS
        imports all of them. Without it, enabling such a service is an error that names the import.
      '';
    };
  };
}
