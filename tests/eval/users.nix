# People, services, adopted accounts, keys, packages and passwords.
{ lib, ... }:
let
  tool = {
    type = "derivation";
    name = "tool-1.0";
    outPath = ./folder;
  };
in
{
  users = {
    defaultUserShell = "/bin/sh";
    users = {
      alice = {
        isNormalUser = true;
        description = "Alice";
        extraGroups = [
          "docker"
          "app"
        ];
        hashedPassword = "$6$salt$hash";
        packages = [ tool ];
        linger = true;
        openssh.authorizedKeys.keys = [ "ssh-ed25519 AAAA alice\n" ];
        openssh.authorizedKeys.keyFiles = [ ./file.txt ];
      };
      bob = {
        isNormalUser = true;
        uid = 1234;
        group = "app";
        shell = null;
        expires = "2030-01-31";
        subUidRanges = [
          {
            startUid = 300000;
            count = 10;
          }
        ];
        hashedPasswordFile = "/run/secrets/bob";
      };
      app = {
        isSystemUser = true;
        group = "app";
        home = "/var/lib/app";
        createHome = true;
        homeMode = "750";
      };
      # An account of the distribution of which only the shell is changed.
      www-data = {
        uid = 33;
        group = "www-data";
        shell = "/bin/sh";
      };
      root.initialPassword = "root";
      # A machine of a domain, as useradd takes it.
      "pc01$" = {
        isSystemUser = true;
        group = "shop";
        packages = [ tool ];
        openssh.authorizedKeys.keys = [ "ssh-ed25519 AAAA pc01" ];
      };
      gone = {
        enable = false;
      };
    };
    groups = {
      app.members = [ "www-data" ];
      shop.gid = 400;
    };
  };
  users.users.bob.useDefaultShell = lib.mkForce false;
}
