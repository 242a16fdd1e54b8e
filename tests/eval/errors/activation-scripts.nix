# error: system.activationScripts.lonely.deps names `nobody`, and there is no such script
# error: round in a circle: one -> two -> one
# error: system.activationScripts.users.deps: `needs-etc` would run before accounts, but needs what comes after them
# error: system.userActivationScripts.own.deps names `users`
{
  system.activationScripts = {
    lonely = {
      deps = [
        "nobody"
        "etc"
      ];
      text = "true";
    };
    users.deps = [ "needs-etc" ];
    needs-etc = {
      deps = [ "etc" ];
      text = "true";
    };
    one = {
      deps = [ "two" ];
      text = "true";
    };
    two = {
      deps = [ "one" ];
      text = "true";
    };
  };
  # The scripts of users know nothing of the system's.
  system.userActivationScripts.own = {
    deps = [ "users" ];
    text = "true";
  };
}
