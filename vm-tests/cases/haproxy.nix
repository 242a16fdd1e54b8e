# A proxy in front of two servers goes on when one of them stops.
{
  name = "haproxy";

  nodes.machine =
    { lib, pkgs, ... }:
    let
      backend = port: {
        wantedBy = [ "multi-user.target" ];
        preStart = "echo ${toString port} >$STATE_DIRECTORY/index.html";
        serviceConfig = {
          ExecStart = "${pkgs.python3}/bin/python3 -m http.server ${toString port} --directory /var/lib/back-${toString port}";
          StateDirectory = "back-${toString port}";
        };
      };
    in
    {
      environment.etc."balance/haproxy.cfg".text = ''
        defaults
          mode http
          timeout client 5s
          timeout server 5s
          timeout connect 5s
          option redispatch
          retries 3
        frontend web
          bind *:8080
          default_backend servers
        backend servers
          server one 127.0.0.1:8001 check inter 200ms
          server two 127.0.0.1:8002 check inter 200ms
      '';
      systemd.services = {
        back-one = backend 8001;
        back-two = backend 8002;
        balance = {
          wantedBy = [ "multi-user.target" ];
          after = [
            "back-one.service"
            "back-two.service"
          ];
          serviceConfig = {
            Type = "notify";
            ExecStart = "${pkgs.haproxy}/bin/haproxy -Ws -f /etc/balance/haproxy.cfg";
            ExecReload = "/bin/kill -USR2 $MAINPID";
            DynamicUser = true;
          };
        };
      };
    };

  testScript = ''
    page = "curl --fail --silent http://localhost:8080/"

    for port in (8001, 8002, 8080):
        machine.wait_for_open_port(port)
    machine.wait_for_unit("balance.service")
    machine.wait_until_succeeds(f'test "$({{ {page}; {page}; }} | sort)" = "8001\n8002"', timeout=20)
    machine.succeed("systemctl stop back-one")
    machine.wait_until_succeeds(f'test "$({page}; {page}; {page})" = "8002\n8002\n8002"', timeout=20)
    machine.succeed("systemctl reload balance")
    assert machine.succeed(page) == "8002\n"
  '';
}
