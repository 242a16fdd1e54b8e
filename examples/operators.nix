# A group whose members may restart one service, and nothing else.
#
#   system-manager switch --file examples/operators.nix
#   sudo -l -U somebody
{
  users.groups.operators = { };

  security.sudo.extraRules = [
    {
      groups = [ "operators" ];
      commands = [
        {
          command = "/usr/bin/systemctl restart cron.service";
          options = [ "NOPASSWD" ];
        }
      ];
    }
  ];
}
