# A router between two networks, and a machine that is in neither.
{
  name = "networks";

  nodes.alone.virtualisation.vlans = [ ];
  nodes.bare =
    { lib, ... }:
    {
      networking.interfaces = lib.mkForce { };
    };

  nodes.client = {
    virtualisation.vlans = [ 1 ];
    networking.interfaces.eth1.ipv4.routes = [
      {
        address = "192.168.2.0";
        prefixLength = 24;
        via = "192.168.1.4";
      }
    ];
  };

  nodes.router = {
    virtualisation.vlans = [
      1
      2
    ];
    networking.interfaces.eth2.ipv4.addresses = [
      {
        address = "10.0.2.1";
        prefixLength = 24;
      }
    ];
    boot.kernel.sysctl."net.ipv4.ip_forward" = 1;
  };

  nodes.server =
    { lib, pkgs, ... }:
    {
      virtualisation.vlans = [ 2 ];
      networking.interfaces.eth1 = {
        ipv4.addresses = lib.mkForce [
          {
            address = "192.168.2.40";
            prefixLength = 24;
          }
        ];
        ipv4.routes = [
          {
            address = "0.0.0.0";
            prefixLength = 0;
            via = "192.168.2.4";
          }
        ];
      };
      systemd.services.page = {
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          DynamicUser = true;
          WorkingDirectory = "/usr/share/common-licenses";
          ExecStart = "${pkgs.python3}/bin/python3 -m http.server --bind :: 8000";
        };
      };
    };

  testScript =
    { nodes, ... }:
    ''
      start_all()
      server.wait_for_open_port(8000)

      with subtest("machines of one network reach each other"):
          router.succeed("curl --fail --silent http://192.168.2.40:8000/GPL-3 >/dev/null")
          router.succeed("curl --fail --silent http://[${nodes.server.networking.primaryIPv6Address}]:8000/GPL-3 >/dev/null")
          assert "inet 10.0.2.1/24" in router.succeed("ip address show dev eth2")

      with subtest("those of two networks only through the router"):
          client.succeed("curl --fail --silent --max-time 5 http://192.168.2.40:8000/GPL-3 >/dev/null")
          router.succeed("sysctl -w net.ipv4.ip_forward=0")
          client.fail("curl --fail --silent --max-time 2 http://192.168.2.40:8000/GPL-3")

      with subtest("one of no network reaches nobody"):
          assert "eth1" not in alone.succeed("ip address")
          assert alone.succeed("hostname") == "alone\n"
          assert "192.168" not in bare.succeed("ip address show dev eth1")
    '';
}
