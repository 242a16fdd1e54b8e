# The accounts that every NixOS has.
{
  config,
  lib,
  options,
  ...
}:
let
  script = import ../modules/activation/script.nix { inherit lib; };
  groups = [
    "adm"
    "audio"
    "cdrom"
    "dialout"
    "disk"
    "floppy"
    "input"
    "keys"
    "kmem"
    "kvm"
    "lp"
    "nixbld"
    "nogroup"
    "render"
    "root"
    "sgx"
    "shadow"
    "tape"
    "tty"
    "users"
    "utmp"
    "uucp"
    "video"
  ];
  # No distribution has this group: secrets are given to it by whatever decrypts them, and to those who are in it.
  keysAreUsed =
    options ? age
    || options ? sops
    || lib.any (s: lib.hasInfix "keys" (script.normal s).text) (
      builtins.attrValues config.system.activationScripts
    )
    || lib.any (u: lib.elem "keys" ([ u.group ] ++ u.extraGroups)) (
      builtins.attrValues config.users.users
    );
  # What makes accounts on NixOS would lock those of the distribution. Its modules are replaced; a copy is not known as one.
  owners = [
    "userborn"
    "systemd-sysusers"
  ];
  starts = unit: unit.enable && unit.serviceConfig ? ExecStart;
  inForce = lib.filter (
    name: config.systemd.services ? ${name} && starts config.systemd.services.${name}
  ) owners;
in
{
  assertions = map (name: {
    assertion = false;
    message = "systemd.services.${name}: it would make accounts, which system-manager does, and lock those that it does not know\nhint: leave out the module that sets it; users.users and users.groups need none";
  }) inForce;
  system-manager.foreignAccounts = {
    groups = lib.genAttrs groups (_name: false) // {
      keys = keysAreUsed;
    };
    users = {
      root = false;
      nobody = false;
    };
  };
  users.users = {
    root = {
      uid = lib.mkOverride 1400 0;
      group = lib.mkOverride 1400 "root";
    };
    nobody = {
      isSystemUser = lib.mkOverride 1400 true;
      uid = lib.mkOverride 1400 65534;
      group = lib.mkOverride 1400 "nogroup";
    };
  };
}
