# Activation scripts: their order, the names of NixOS's own, and both forms of a definition.
{ lib, ... }:
{
  system.activationScripts = {
    a-last = {
      deps = [
        "z-first"
        "users"
        "late"
      ];
      text = "echo last";
    };
    late = lib.stringAfter [ "z-first" ] "echo late";
    z-first = {
      text = lib.mkMerge [
        "echo one"
        "echo two"
      ];
      supportsDryActivation = true;
    };
    plain = "echo plain";
    # Nothing but a name.
    group.deps = [ "late" ];
    empty = "";
    # Before accounts; the other names of NixOS stand for what has been done by then.
    users.deps = [ "z-first" ];
    specialfs.deps = [ "z-first" ];
  };
  system.userActivationScripts = {
    second = lib.stringAfter [ "first-but-z" ] "echo second";
    first-but-z.text = "false";
  };
}
