# A server whose configuration lies in /etc is reloaded when that changes, and restarted when its command does.
{
  name = "nginx";

  nodes.machine =
    { config, pkgs, ... }:
    {
      environment.etc."front/nginx.conf".text = ''
        daemon off;
        pid /run/front/nginx.pid;
        error_log stderr;
        events { }
        http {
          access_log off;
          client_body_temp_path /run/front/body;
          proxy_temp_path /run/front/proxy;
          fastcgi_temp_path /run/front/fastcgi;
          uwsgi_temp_path /run/front/uwsgi;
          scgi_temp_path /run/front/scgi;
          include /etc/front/sites/*.conf;
        }
      '';
      environment.etc."front/sites/first.conf".text = ''
        server { listen 8081; location / { return 200 "first\n"; } }
      '';
      systemd.services.front = {
        wantedBy = [ "multi-user.target" ];
        reloadTriggers = [ config.environment.etc."front/sites/first.conf".source ];
        serviceConfig = {
          ExecStart = "${pkgs.nginx}/bin/nginx -c /etc/front/nginx.conf";
          ExecReload = "/bin/kill -HUP $MAINPID";
          RuntimeDirectory = "front";
        };
      };

      specialisation.changed.configuration =
        { lib, ... }:
        {
          environment.etc."front/sites/first.conf".text = lib.mkForce ''
            server { listen 8081; location / { return 200 "second\n"; } }
          '';
        };
      specialisation.moved.configuration = {
        systemd.services.front.environment.TZ = "UTC";
      };
    };

  testScript = ''
    page = "curl --fail --silent http://localhost:8081/"
    switch = "/bin/switch-to-configuration test 2>&1"

    def pid():
        return machine.get_unit_property("front.service", "MainPID")

    machine.wait_for_unit("front.service")
    machine.wait_for_open_port(8081)
    assert machine.succeed(page) == "first\n"
    toplevel = machine.succeed("readlink -f /run/current-system").strip()

    with subtest("a change of a site reloads"):
        before = pid()
        assert "reloading" in machine.succeed(f"{toplevel}/specialisation/changed{switch}")
        machine.wait_until_succeeds(f"{page} | grep second", timeout=20)
        assert pid() == before

    with subtest("a change of the unit restarts"):
        machine.succeed(f"{toplevel}/specialisation/moved{switch}")
        machine.wait_for_open_port(8081)
        assert pid() != before
  '';
}
