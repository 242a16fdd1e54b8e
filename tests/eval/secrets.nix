# Secrets, for units and for accounts.
{
  system-manager.secrets = {
    web = {
      file = "/home/alice/web";
      owner = "www-data";
      mode = "0440";
      restartUnits = [ "web.service" ];
      reloadUnits = [ "proxy.service" ];
    };
    password = {
      command = "pass show password";
      neededForUsers = true;
    };
  };
}
