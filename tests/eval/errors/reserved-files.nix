# error: never replaced by an entry: `fstab` (the host boots by it; use `systemd.mounts` and `systemd.automounts`)
# error: `passwd` (the account databases are edited in place; use `users.users`)
{
  environment.etc."fstab".text = "";
  environment.etc."passwd" = {
    text = "";
    replaceExisting = true;
  };
}
