# error: system-manager.secrets.a/b: a name has letters
# error: system-manager.secrets.none: it needs either `file` or `command`
# error: system-manager.secrets.web: its `file` is in the store
# error: system-manager.secrets.early: with `neededForUsers`, no other owner
{
  system-manager.secrets = {
    "a/b".file = "/a";
    none = { };
    web.file = "${builtins.toFile "web" "x"}";
    early = {
      file = "/early";
      owner = "web";
      neededForUsers = true;
    };
  };
}
