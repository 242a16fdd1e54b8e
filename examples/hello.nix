# A file in /etc, and a variable: the smallest configuration that shows something.
#
#   system-manager plan --file FILE       shows what it does; FILE is this file
#   system-manager switch --file FILE     does it, as root
#   cat /etc/hello
{
  environment.etc."hello".text = ''
    Hello from system-manager.
  '';
  environment.variables.GREETING = "hello";
}
