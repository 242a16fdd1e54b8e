# A database server with an account for each system user, over its socket alone.
{
  name = "mariadb";

  nodes.machine =
    { pkgs, ... }:
    let
      mariadb = pkgs.hostPackage {
        name = "mariadb";
        bin = [
          "/usr/sbin/mariadbd"
          "/usr/bin/mariadb"
          "/usr/bin/mariadb-admin"
          "/usr/bin/mariadb-install-db"
        ];
        install.debian = "mariadb-server";
      };
      # Each statement on one line, as the server wants it.
      sql = pkgs.writeText "accounts.sql" ''
        CREATE DATABASE IF NOT EXISTS app;
        CREATE USER IF NOT EXISTS app@localhost IDENTIFIED VIA unix_socket;
        GRANT ALL ON app.* TO app@localhost;
      '';
    in
    {
      environment.systemPackages = [ mariadb ];
      users.groups.app = { };
      users.users.app = {
        isSystemUser = true;
        group = "app";
      };
      environment.etc."base/my.cnf".text = ''
        [mysqld]
        datadir = /var/lib/base/data
        socket = /run/base/socket
        skip-networking
        init-file = ${sql}
        innodb-buffer-pool-size = 8M
        [client]
        socket = /run/base/socket
      '';
      systemd.services.base = {
        wantedBy = [ "multi-user.target" ];
        path = [ mariadb ];
        preStart = ''
          if [ ! -d /var/lib/base/data/mysql ]; then
            mariadb-install-db --defaults-file=/etc/base/my.cnf --auth-root-authentication-method=socket --skip-test-db
          fi
        '';
        serviceConfig = {
          Type = "notify";
          ExecStart = "${mariadb}/bin/mariadbd --defaults-file=/etc/base/my.cnf";
          User = "mysql";
          RuntimeDirectory = "base";
          StateDirectory = "base";
        };
      };
    };

  testScript = ''
    def ask(statement, user="app"):
        return f"sudo -u {user} mariadb --defaults-file=/etc/base/my.cnf -u app -N -e '{statement}' app"

    machine.wait_for_unit("base.service")
    machine.succeed(ask("create table t (n int); insert into t values (42)"))
    machine.fail(ask("select n from t", user="nobody"))

    with subtest("data survives a restart"):
        machine.succeed("systemctl restart base.service")
        assert machine.succeed(ask("select n from t")) == "42\n"
  '';
}
