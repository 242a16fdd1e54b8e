# Types that wait for values: of packages, of the argument `utils`, and of other options.
{
  config,
  lib,
  options,
  pkgs,
  utils,
  ...
}:
with utils;
with types;
with lib;
{
  options = {
    systemd.user.services = mkOption {
      type = lib.types.attrsOf (submodule [
        {
          options.niceness = mkOption {
            type = lib.types.nullOr small;
            default = null;
            description = "How nice.";
          };
        }
      ]);
    };
    users.users = mkOption {
      type = lib.types.attrsOf (
        lib.types.submodule {
          options.colour = mkOption {
            type = lib.types.enum config.system.colours;
            default = "grey";
            description = "A colour.";
          };
        }
      );
    };
    environment.etc = mkOption {
      type = options.systemd.user.services.type;
    };
    boot.kernel.sysctl = mkOption {
      type = (pkgs.formats.json { }).type;
    };
    system.colours = mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ "grey" ] ++ lib.optional (config.users.users ? painter) "blue";
      description = "Colours.";
    };
  };
}
