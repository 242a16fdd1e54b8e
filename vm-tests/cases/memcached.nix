# A cache that keeps what it is given until it is restarted.
{ pkgs, ... }:
{
  name = "memcached";

  nodes.machine =
    { pkgs, ... }:
    {
      systemd.services.memcached = {
        wantedBy = [ "multi-user.target" ];
        after = [ "network.target" ];
        serviceConfig = {
          ExecStart = "${pkgs.memcached}/bin/memcached --user memcache --port 11211";
        };
      };
    };

  testScript = ''
    say = "timeout 10 nc -w 3 localhost 11211"
    machine.wait_for_unit("memcached.service")
    machine.wait_for_open_port(11211)
    machine.succeed(f"printf 'set k 0 60 1\\r\\nv\\r\\nquit\\r\\n' | {say} | grep STORED")
    machine.succeed(f"printf 'get k\\r\\nquit\\r\\n' | {say} | grep 'VALUE k 0 1'")
  '';
}
