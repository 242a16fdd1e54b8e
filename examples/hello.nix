# A file in /etc, and a variable: the smallest configuration that shows something.
#
#   system-manager switch --file examples/hello.nix
#   cat /etc/hello
{
  environment.etc."hello".text = ''
    Hello from system-manager.
  '';
  environment.variables.GREETING = "hello";
}
