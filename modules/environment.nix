# Variables of login shells, and the packages' folder in their PATH.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;
  scalar = types.oneOf [
    types.int
    types.str
    types.path
  ];

  variables = lib.filterAttrs (_name: value: value != null) config.environment.variables;
  hasPackages = config.system.build.sw != null;

  export = name: value: "export ${name}=\"${value}\"\n";
in
{
  options.environment.variables = mkOption {
    type = types.attrsOf (types.nullOr (types.either (types.listOf scalar) scalar));
    default = { };
    example = {
      EDITOR = "vim";
    };
    apply = lib.mapAttrs (
      _name: value:
      if value == null then null else lib.concatMapStringsSep ":" toString (lib.toList value)
    );
    description = ''
      Variables of login shells. A list is joined with `:`; `null` leaves a variable out. `$NAME` is
      expanded by the shell.
    '';
  };

  config.environment.etc = lib.mkIf (variables != { } || hasPackages) {
    "profile.d/system-manager.sh".text =
      lib.concatStrings (lib.mapAttrsToList export variables)
      + lib.optionalString hasPackages (
        export "PATH" "/run/system-manager/sw/bin:/run/system-manager/sw/sbin:$PATH"
        + export "XDG_DATA_DIRS" "/run/system-manager/sw/share:\${XDG_DATA_DIRS:-/usr/local/share:/usr/share}"
      );
  };

  config.system.build.environment = variables;
}
