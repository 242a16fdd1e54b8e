# For NixOS: the options that only we have, so that a host's configuration evaluates there as well.
#
#   imports = [ system-manager.nixosModules.default ];
#
# What they ask for is there already, or means nothing there; only the masks of units have an effect.
{
  config,
  lib,
  modulesPath,
  ...
}:
let
  inherit (lib) mkOption types;

  here = what: {
    description = "${what} It means something on other distributions only.";
  };
  flag =
    default: what:
    mkOption (
      here what
      // {
        type = types.bool;
        inherit default;
      }
    );
  set =
    what:
    mkOption (
      here what
      // {
        type = types.attrsOf types.unspecified;
        default = { };
      }
    );
  list =
    what:
    mkOption (
      here what
      // {
        type = types.listOf types.unspecified;
        default = [ ];
      }
    );
  units = mkOption {
    type = types.listOf types.str;
    default = [ ];
    example = [ "getty@tty1.service" ];
    description = "Units that are masked, so that nothing can start them.";
  };
  masked =
    names:
    lib.genAttrs names (_name: {
      enable = lib.mkForce false;
    });

  without =
    what: why:
    let
      names = lib.attrNames config.system-manager.${what};
    in
    lib.optional (
      names != [ ]
    ) "`system-manager.${what}` has no effect on NixOS, ${why}: ${lib.concatStringsSep ", " names}";

  # A module in a folder can be imported by the folder's name, under which NixOS does not know its own import of it.
  folder =
    entry:
    let
      path = builtins.unsafeDiscardStringContext (toString entry);
      parts = builtins.match "(.*)/default[.]nix" path;
    in
    if parts != null then
      builtins.head parts
    else if builtins.match ".*[.]nix" path == null then
      "${path}/default.nix"
    else
      null;
  isFile = entry: builtins.isPath entry || builtins.isString entry;
  otherNames = lib.filter (f: f != null) (
    map folder (lib.filter isFile (import "${modulesPath}/module-list.nix"))
  );

  # Old releases have lists in place of sets, and a type for both that another declaration must have as well.
  setOf =
    let
      file = "${modulesPath}/system/etc/etc.nix";
      value = import file;
      args = lib.mapAttrs (name: _optional: throw "`${name}` has no part in declaring files") (
        lib.functionArgs value
      );
      inherit ((value (args // { inherit lib; })).options.environment.etc) type;
    in
    if builtins.pathExists file && type.name == "loaOf" then types.loaOf else types.attrsOf;
in
{
  # These are left out; NixOS's own imports of the same files stay.
  disabledModules = map (path: lib.removePrefix "${modulesPath}/" path) otherNames;

  options = {
    nixos-compat = {
      enable = flag true "Whether all options of NixOS are declared.";
      autoImport = flag true "Whether modules of NixOS are imported by themselves.";
      distribution = mkOption {
        type = types.str;
        default = "nixos";
        description = "The distribution of the target. It means something on other distributions only.";
      };
      firewall.enable = flag true "Whether `networking.firewall` is in force, as it is on NixOS by itself.";
      hostPackages.enable = flag false "Whether packages are the distribution's programs.";
      hostPackages.packages = set "Further packages of the distribution.";
    };
    system-manager = {
      allowAnyDistro = flag true "Whether any distribution will do.";
      blocks = set "Lines in files of the distribution.";
      healthChecks = set "What must be well once an activation has done all else.";
      hostPackages = list "Host packages that must be there.";
      hostRequirements = list "Programs that must exist on the target.";
      secrets = mkOption (
        here "Secrets that travel with a switch."
        // {
          type = types.attrsOf (
            types.submodule (
              { name, ... }:
              {
                freeformType = types.attrsOf types.unspecified;
                options.path = mkOption {
                  type = types.str;
                  default = "/run/system-manager/secrets/${name}";
                  description = "The path where services read the secret.";
                };
              }
            )
          );
          default = { };
        }
      );
      nixPrograms.enable = flag true "Whether programs of nixpkgs find what they look for, as they do on NixOS.";
      nixPrograms.shells = list "Shells that get the variables of the configuration.";
      nvidia.version = mkOption (
        here "The version of NVIDIA's driver that the host runs."
        // {
          type = types.nullOr types.str;
          default = null;
        }
      );
      nvidia.hash = mkOption (
        here "The hash of NVIDIA's file."
        // {
          type = types.str;
          default = "";
        }
      );
      linkCurrentSystem = flag true "Whether `/run/current-system` is there, as it is on NixOS.";
      replaceExisting = list "Existing files that may be replaced.";
      preActivationAssertions = set "Scripts that run before an activation.";
    };
    systemd.maskedUnits = units;
    systemd.user.maskedUnits = units;
    environment.etc = mkOption {
      type = setOf (
        types.submodule {
          options.replaceExisting = flag false "Whether a foreign file may be replaced.";
        }
      );
    };
  };

  config = {
    systemd.units = masked config.systemd.maskedUnits;
    systemd.user.units = masked config.systemd.user.maskedUnits;

    warnings =
      lib.optional (config.system-manager.blocks != { })
        "`system-manager.blocks` has no effect on NixOS, which writes these files itself: ${lib.concatStringsSep ", " (lib.attrNames config.system-manager.blocks)}"
      ++ without "healthChecks" "which nobody runs there"
      ++ without "secrets" "where sops-nix or agenix places them";

    # A program of the distribution: on NixOS, that is nixpkgs's package of the same name.
    nixpkgs.overlays = [
      (final: _prev: {
        hostPackage =
          { name, ... }:
          final.${name}
            or (throw "hostPackage `${name}`: nixpkgs has no package of this name, which NixOS would run");
      })
    ];
  };
}
