# A database with a cluster of its own: data survives a switch and a reboot.
{
  name = "postgresql";

  nodes.machine =
    { config, pkgs, ... }:
    {
      environment.systemPackages = [ pkgs.postgresql ];
      environment.etc."data/postgresql.conf".text = "listen_addresses = '127.0.0.1'\nwork_mem = '5MB'\n";
      systemd.services.data = {
        wantedBy = [ "multi-user.target" ];
        path = [ pkgs.postgresql ];
        restartTriggers = [ config.environment.etc."data/postgresql.conf".source ];
        preStart = ''
          if [ ! -e "$PGDATA/PG_VERSION" ]; then
            initdb --auth=peer --username=postgres
          fi
        '';
        environment.PGDATA = "/var/lib/data/cluster";
        serviceConfig = {
          Type = "notify";
          ExecStart = "${pkgs.postgresql}/bin/postgres -c config_file=/etc/data/postgresql.conf";
          ExecReload = "/bin/kill -HUP $MAINPID";
          KillSignal = "SIGINT";
          User = "postgres";
          StateDirectory = "data";
          RuntimeDirectory = "postgresql";
        };
      };

      specialisation.larger.configuration =
        { lib, ... }:
        {
          environment.etc."data/postgresql.conf".text =
            lib.mkForce "listen_addresses = '127.0.0.1'\nwork_mem = '6MB'\n";
        };
    };

  testScript = ''
    def ask(statement):
        return machine.succeed(f'sudo -u postgres psql -At -c "{statement}"').strip()

    machine.wait_for_unit("data.service")
    assert ask("show work_mem") == "5MB"
    ask("create table t (n int)")
    ask("insert into t values (42)")

    with subtest("a switch keeps the data"):
        machine.succeed("/run/current-system/specialisation/larger/bin/switch-to-configuration test >&2")
        assert ask("show work_mem") == "6MB"
        assert ask("select n from t") == "42"

    with subtest("and so does a reboot"):
        machine.shutdown()
        machine.start()
        machine.wait_for_unit("data.service")
        assert ask("select n from t") == "42"
  '';
}
