# A cache answers, and forgets all when it is restarted.
{
  name = "memcached";

  nodes.machine =
    { pkgs, ... }:
    {
      systemd.services.memcached = {
        wantedBy = [ "multi-user.target" ];
        serviceConfig.ExecStart = "${pkgs.memcached}/bin/memcached --user memcache --port 11211";
      };
    };

  testScript = ''
    def say(text):
        return machine.succeed(f"printf '{text}\\r\\nquit\\r\\n' | timeout 10 nc -w 3 localhost 11211")

    machine.wait_for_unit("memcached.service")
    machine.wait_for_open_port(11211)
    assert "STORED" in say("set k 0 60 1\\r\\nv")
    assert "VALUE k 0 1" in say("get k")

    machine.succeed("systemctl restart memcached.service")
    machine.wait_for_open_port(11211)
    assert "VALUE" not in say("get k")
  '';
}
