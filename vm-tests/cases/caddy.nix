# A server that takes a new configuration without a restart, and keeps the old one when the new one is wrong.
{
  name = "caddy";

  nodes.machine =
    { config, pkgs, ... }:
    let
      caddy = pkgs.hostPackage {
        name = "caddy";
        bin = [ "/usr/bin/caddy" ];
        install.debian = "caddy";
      };
    in
    {
      environment.etc."gate/Caddyfile".text = ''
        {
          admin localhost:2019
          auto_https off
        }
        http://localhost:8085 {
          respond "first"
        }
      '';
      systemd.services.gate = {
        wantedBy = [ "multi-user.target" ];
        reloadTriggers = [ config.environment.etc."gate/Caddyfile".source ];
        serviceConfig = {
          Type = "notify";
          ExecStart = "${caddy}/bin/caddy run --config /etc/gate/Caddyfile";
          ExecReload = "${caddy}/bin/caddy reload --config /etc/gate/Caddyfile --force";
          DynamicUser = true;
          StateDirectory = "gate";
          Environment = "HOME=/var/lib/gate";
        };
      };

      specialisation.second.configuration =
        { lib, ... }:
        {
          environment.etc."gate/Caddyfile".text = lib.mkForce ''
            {
              admin localhost:2019
              auto_https off
            }
            http://localhost:8085 {
              respond "second"
            }
          '';
        };
      specialisation.wrong.configuration =
        { lib, ... }:
        {
          environment.etc."gate/Caddyfile".text = lib.mkForce "nonsense {";
        };
    };

  testScript =
    { nodes, ... }:
    let
      toplevel = nodes.machine.system.build.toplevel;
    in
    ''
      page = "curl --fail --silent http://localhost:8085/"

      machine.wait_for_unit("gate.service")
      machine.wait_for_open_port(8085)
      assert machine.succeed(page) == "first"
      pid = machine.get_unit_property("gate.service", "MainPID")

      machine.succeed("${toplevel}/specialisation/second/bin/switch-to-configuration test >&2")
      machine.wait_until_succeeds(f'test "$({page})" = second', timeout=20)

      with subtest("a wrong configuration is told, and the server goes on"):
          code, output = machine.execute("${toplevel}/specialisation/wrong/bin/switch-to-configuration test 2>&1")
          assert code == 4, output
          assert "gate.service" in output
          assert machine.succeed(page) == "second"
          assert machine.get_unit_property("gate.service", "MainPID") == pid
    '';
}
