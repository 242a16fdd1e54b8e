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
        The version of NVIDIA's driver in the host's kernel (`cat /sys/module/nvidia/version`). Its libraries are added to {option}`hardware.graphics.extraPackages`. They work only with a driver of the
        same version, and `plan` says if the versions differ. They are not free software, so you must set
        `nixpkgs.config.allowUnfree` and `nixpkgs.config.nvidia.acceptLicense`.
      '';
    };
    hash = mkOption {
      type = types.str;
      default = "";
      example = "sha256-jtxGvPXJVSQYQGaUL8HcLZW5qQRyLDKVaVFhqgtWM+s=";
      description = "The hash of NVIDIA's file for that version; a build without it fails and prints the right one.";
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
