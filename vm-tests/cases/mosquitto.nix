# A broker takes messages from a client and gives them to another; a client without a password is refused.
{
  name = "mosquitto";

  nodes.machine =
    { pkgs, ... }:
    {
      environment.etc."broker/mosquitto.conf".text = ''
        listener 1883 127.0.0.1
        allow_anonymous false
        password_file /run/broker/passwords
        persistence true
        persistence_location /var/lib/broker/
      '';
      systemd.services.broker = {
        wantedBy = [ "multi-user.target" ];
        preStart = ''
          umask 077
          /usr/bin/mosquitto_passwd -b -c /run/broker/passwords alice secret
        '';
        serviceConfig = {
          Type = "notify";
          ExecStart = "${pkgs.mosquitto}/bin/mosquitto -c /etc/broker/mosquitto.conf";
          User = "mosquitto";
          RuntimeDirectory = "broker";
          StateDirectory = "broker";
        };
      };
    };

  testScript = ''
    account = "-u alice -P secret -t news"

    machine.wait_for_unit("broker.service")
    machine.wait_for_open_port(1883)
    machine.succeed(f"mosquitto_pub -r {account} -m hello")
    assert machine.succeed(f"mosquitto_sub {account} -C 1 -W 10") == "hello\n"
    machine.fail("mosquitto_pub -t news -m hello")

    with subtest("what is retained survives a restart"):
        machine.succeed("systemctl restart broker.service")
        machine.wait_for_open_port(1883)
        assert machine.succeed(f"mosquitto_sub {account} -C 1 -W 10") == "hello\n"
  '';
}
