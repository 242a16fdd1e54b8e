# Accounts that a distribution has by itself, and that modules read. They are managed once somebody declares them.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (import ../nixos-compat/settings.nix { inherit lib; }) discharge;

  # Whether anybody says more of an account than what it is where nobody does.
  isWeak = value: value._type or "" == "override" && value.priority >= 1400;
  saysMore =
    account:
    !(builtins.isAttrs account) || account == { } || !(lib.all isWeak (builtins.attrValues account));
  isDeclared =
    option: name:
    lib.any (
      d: d.value ? ${name} && lib.any saysMore (discharge d.value.${name})
    ) option.definitionsWithLocations;

  accounts =
    what:
    mkOption {
      type = types.lazyAttrsOf types.bool;
      default = { };
      internal = true;
      description = "The ${what} that exist for modules to read, and whether they are managed even if nobody declares them.";
    };
  managed =
    kind:
    lib.mapAttrs (name: isWanted: {
      enable = lib.mkOverride 1400 (isWanted || isDeclared options.users.${kind} name);
    }) config.system-manager.foreignAccounts.${kind};
in
{
  options.system-manager.foreignAccounts = {
    users = accounts "users";
    groups = accounts "groups";
  };
  config.users = {
    users = managed "users";
    groups = managed "groups";
  };
}
