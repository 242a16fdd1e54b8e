# NVIDIA's libraries of the version that the host's kernel runs, for programs of nixpkgs.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.system-manager.nvidia;
  isThere = options ? hardware && pkgs ? linuxPackages;
  driver =
    (pkgs.linuxPackages.nvidiaPackages.mkDriver {
      inherit (cfg) version;
      sha256_64bit = cfg.hash;
      useSettings = false;
      usePersistenced = false;
    }).override
      {
        libsOnly = true;
        kernel = null;
      };
in
{
  options.system-manager.nvidia = {
    version = mkOption {
      type = types.nullOr (types.strMatching "[0-9.]+");
      default = null;
      example = "550.54.14";
      description = ''
        The version of NVIDIA's driver that the host's kernel runs (`cat /sys/module/nvidia/version`). Its libraries are put into
        {option}`hardware.graphics.extraPackages`; they work with the driver of the same version only, and `plan` says when they
        are of another one. They are not free software: `nixpkgs.config.allowUnfree`
        and `nixpkgs.config.nvidia.acceptLicense` have to be set.
      '';
    };
    hash = mkOption {
      type = types.str;
      default = "";
      example = "sha256-jtxGvPXJVSQYQGaUL8HcLZW5qQRyLDKVaVFhqgtWM+s=";
      description = "The hash of NVIDIA's file of that version; a build without it says which one it is.";
    };
  };

  config = {
    assertions = [
      {
        assertion = cfg.version == null || isThere;
        message = "system-manager.nvidia.version: NVIDIA's libraries are made from a nixpkgs, and there is none; name one with --nixpkgs";
      }
    ];
  }
  // lib.optionalAttrs (options ? hardware) {
    hardware.${if options.hardware ? graphics then "graphics" else "opengl"} =
      lib.mkIf (cfg.version != null)
        {
          enable = true;
          extraPackages = [ driver ];
        };
  };
}
