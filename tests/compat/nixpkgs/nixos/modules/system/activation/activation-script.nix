# Declares the scripts of an activation, and has those of the system itself.
{ lib, ... }:
{
  options.system.activationScripts = lib.mkOption {
    type = lib.types.attrsOf lib.types.unspecified;
    default = { };
    description = "Pieces of the program that activates.";
    apply = set: { script = toString (builtins.attrNames set); };
  };
  options.system.activatable = lib.mkOption {
    type = lib.types.bool;
    default = true;
    description = "Whether there is such a program.";
  };

  config.system.activationScripts = {
    specialfs = "mount -t proc proc /proc";
    var = lib.stringAfter [ "specialfs" ] "mkdir -p /var/tmp";
  };
}
