# error: environment.etc.motd.mode
# error: octal mode
# error: wrong-mode.nix:7
{
  environment.etc.motd = {
    text = "hello";
    mode = "rw-r--r--";
  };
}
