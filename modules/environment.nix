# Variables of login shells, and the packages' folder in their PATH and in that of users' services.
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

  format = import ./variables.nix { inherit lib; };
  names = builtins.attrNames config.environment.variables;
  badNames = lib.filter (name: !format.isName name) names;
  readOnly = lib.filter (name: lib.elem name format.readOnly) names;

  # Where the packages are, for shells and for what a user's service manager starts.
  places = {
    PATH = "/run/system-manager/sw/bin:/run/system-manager/sw/sbin:$PATH";
  }
  # Unless the variable has it already.
  //
    lib.optionalAttrs (!lib.hasInfix "/run/system-manager/sw/share" (variables.XDG_DATA_DIRS or ""))
      {
        XDG_DATA_DIRS = "/run/system-manager/sw/share:\${XDG_DATA_DIRS:-/usr/local/share:/usr/share}";
      };
  of = line: lib.concatStrings (lib.mapAttrsToList line places);
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
      Environment variables for login shells. A list is joined with `:`; `null` omits a variable. `$NAME`, `''${NAME:-text}` and
      `$(command)` are expanded by the shell, `\$` is a dollar sign, and everything else is taken literally.
    '';
  };

  config.assertions = [
    {
      assertion = badNames == [ ];
      message = "environment.variables: ${lib.concatStringsSep ", " (map builtins.toJSON badNames)}: a variable's name has letters, digits and `_` only, and does not begin with a digit";
    }
    {
      assertion = readOnly == [ ];
      message = "environment.variables.${lib.concatStringsSep ", " readOnly}: bash keeps it for itself, and setting it would end each login shell with an error";
    }
  ];

  config.environment.etc = {
    "profile.d/system-manager.sh" = lib.mkIf (variables != { } || hasPackages) {
      text =
        lib.concatStrings (lib.mapAttrsToList format.sh variables)
        + lib.optionalString hasPackages (of format.sh);
    };
    # Before what adds to it.
    "environment.d/10-system-manager.conf" = lib.mkIf hasPackages { text = of format.environmentD; };
  };

  config.system.build.environment = variables;
}
