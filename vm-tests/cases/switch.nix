# Switching from one machine's configuration to another's and back, with the messages and codes of NixOS.
{
  name = "switch";

  defaults = {
    systemd.services.kept = {
      wantedBy = [ "multi-user.target" ];
      serviceConfig.ExecStart = "/bin/sleep infinity";
    };
  };
  nodes.machine = {
    systemd.services.old = {
      wantedBy = [ "multi-user.target" ];
      serviceConfig.ExecStart = "/bin/sleep infinity";
    };
  };
  nodes.other = {
    systemd.services.new = {
      wantedBy = [ "multi-user.target" ];
      serviceConfig.ExecStart = "/bin/sleep infinity";
    };
  };

  testScript =
    { nodes, ... }:
    ''
      own = "${nodes.machine.system.build.toplevel}/bin/switch-to-configuration"
      others = "${nodes.other.system.build.toplevel}/bin/switch-to-configuration"

      pid = machine.get_unit_property("kept.service", "MainPID")

      with subtest("the same again does nothing"):
          before = machine.succeed("stat -c '%n %i %Z' $(find /etc -newermt '2000-01-01' | sort) | sha256sum")
          machine.succeed(f"{own} test >&2", f"{own} dry-activate >&2")
          assert machine.succeed("stat -c '%n %i %Z' $(find /etc -newermt '2000-01-01' | sort) | sha256sum") == before

      with subtest("there"):
          output = machine.succeed(f"{others} test 2>&1")
          assert "stopping the following units: old.service" in output
          assert "starting the following units: new.service" in output
          machine.require_unit_state("new.service")
          machine.fail("systemctl cat old.service")

      with subtest("and back"):
          machine.succeed(f"{own} switch >&2")
          machine.require_unit_state("old.service")
          machine.fail("systemctl cat new.service")
          assert machine.get_unit_property("kept.service", "MainPID") == pid

      with subtest("the other machine was switched by itself"):
          other.require_unit_state("new.service")
          other.fail("systemctl cat old.service")
    '';
}
