# A store on a socket and a port; what was saved survives a restart.
{
  name = "redis";

  nodes.machine =
    { pkgs, ... }:
    {
      environment.systemPackages = [ pkgs.redis ];
      environment.etc."store/redis.conf".text = ''
        port 6379
        unixsocket /run/store/redis.sock
        dir /var/lib/store
        appendonly yes
      '';
      systemd.services.store = {
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          Type = "notify";
          ExecStart = "${pkgs.redis}/bin/redis-server /etc/store/redis.conf --supervised systemd";
          DynamicUser = true;
          RuntimeDirectory = "store";
          StateDirectory = "store";
        };
      };
    };

  testScript = ''
    machine.wait_for_unit("store")
    machine.wait_for_open_port(6379)
    machine.succeed("redis-cli ping | grep PONG", "redis-cli -s /run/store/redis.sock set k kept")
    machine.succeed("systemctl restart store")
    machine.wait_until_succeeds("test $(redis-cli get k) = kept", timeout=20)
  '';
}
