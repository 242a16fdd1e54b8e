"""What tools and tests written for NixOS profiles rely on: switch-to-configuration, specialisations, user units."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from program.host import Host

CONFIGURATION = """
{ lib, ... }: {
  systemd.services.sm-web = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig.ExecStart = "/bin/sleep infinity";
    serviceConfig.ExecReload = "/bin/true";
  };
  systemd.services.sm-keep = {
    wantedBy = [ "multi-user.target" ];
    restartIfChanged = false;
    serviceConfig.ExecStart = "/bin/sleep infinity";
  };
  specialisation.other.configuration = {
    systemd.services.sm-web.environment.X = "1";
    systemd.services.sm-keep.environment.X = "1";
    systemd.services.sm-new = { wantedBy = [ "multi-user.target" ]; serviceConfig.ExecStart = "/bin/sleep infinity"; };
  };
  specialisation.broken.configuration = {
    systemd.services.sm-bad = { wantedBy = [ "multi-user.target" ]; serviceConfig.ExecStart = "/bin/false"; };
  };
}
"""


@pytest.fixture
def host(machine: SystemdMachine, tmp_path: Path) -> Host:
    """A machine with the program in it."""
    return Host(machine, tmp_path)


@pytest.mark.leaves("failed unit: sm-bad.service", why="it is to fail")
def test_switch_to_configuration_has_the_actions_messages_and_codes_of_nixos(host: Host) -> None:
    machine = host.machine
    toplevel = host.bring(CONFIGURATION)
    program = f"{toplevel}/bin/switch-to-configuration"
    machine.succeed(f"{program} check")
    code, output = machine.execute(f"{program} dry-activate 2>&1")
    assert code == 0
    assert "would start the following units: sm-keep.service, sm-web.service" in output
    machine.fail("test -e /etc/systemd/system/sm-web.service")
    assert machine.execute(f"{program} fly 2>&1")[0] == 1
    machine.succeed(f"{program} switch")
    machine.require_unit_state("sm-web.service")
    assert host.json("generations")["generations"][0]["toplevel"] == toplevel
    machine.succeed(f"journalctl -b | grep -F 'finished switching to system configuration {toplevel}'")
    machine.succeed(f"journalctl -b | grep -F ' switching to system configuration {toplevel}'")

    generations = host.json("generations")["generations"]
    machine.succeed(f"{toplevel}/specialisation/broken/bin/switch-to-configuration boot")
    assert len(host.json("generations")["generations"]) == len(generations) + 1
    machine.succeed("test -e /etc/systemd/system/sm-bad.service")
    machine.fail("systemctl is-failed sm-bad.service")
    machine.succeed(f"{program} boot")

    other = f"{toplevel}/specialisation/other/bin/switch-to-configuration"
    code, output = machine.execute(f"{other} test 2>&1")
    assert code == 0, output
    assert "stopping the following units: sm-web.service" in output
    assert "NOT restarting the following changed units: sm-keep.service" in output
    assert "starting the following units: sm-new.service, sm-web.service" in output
    assert "the following new units were started: sm-new.service" in output
    assert len(host.json("generations")["generations"]) == 3

    code, output = machine.execute(f"{toplevel}/specialisation/broken/bin/switch-to-configuration test 2>&1")
    assert code == 4, output
    assert "warning: the following units failed: sm-bad.service" in output
    machine.fail(f"journalctl -b | grep -F 'finished switching to system configuration {toplevel}-broken'")


NEXT = """
  {{
    environment.etc."next".text = "{0}";
    systemd.services.sm-next = {{
      wantedBy = [ "multi-user.target" ];
      environment.NEXT = "{0}";
      serviceConfig.ExecStart = "/bin/sleep infinity";
    }};
    systemd.services.sm-{0} = {{
      wantedBy = [ "multi-user.target" ];
      serviceConfig.ExecStart = "/bin/sleep infinity";
    }};
  }}
"""


def test_what_is_for_the_next_boot_starts_with_it(host: Host) -> None:
    machine = host.machine
    one, two = (host.bring(NEXT.format(text)) for text in ("one", "two"))
    machine.succeed(f"{one}/bin/switch-to-configuration switch")
    pids = [host.pid(unit) for unit in ("sm-next.service", "sm-one.service")]
    machine.succeed(f"{two}/bin/switch-to-configuration boot")
    # Its files are there, and it is the generation; what runs is what ran.
    assert machine.succeed("cat /etc/next") == "two"
    assert [g["toplevel"] for g in host.json("generations")["generations"] if g["current"]] == [two]
    assert [host.pid(unit) for unit in ("sm-next.service", "sm-one.service")] == pids
    machine.fail("systemctl is-active sm-two.service")
    machine.reboot()
    machine.wait_for_unit("sm-two.service")
    machine.wait_for_unit("sm-next.service")
    assert "NEXT=two" in machine.succeed(f"tr '\\0' '\\n' </proc/{host.pid('sm-next.service')}/environ")
    machine.fail("systemctl is-active sm-one.service")
    assert "active: generation 2" in host.run("status")
    assert "No changes" in host.run("activate", two)


def test_the_managers_of_running_users_are_switched_too(host: Host) -> None:
    machine = host.machine
    template = """
    { ... }: {
      systemd.user.services.sm-user = {
        wantedBy = [ "default.target" ];
        environment.VERSION = "NUMBER";
        serviceConfig.ExecStart = "/bin/sleep infinity";
      };
    }
    """
    machine.succeed("useradd --create-home alice", "loginctl enable-linger alice")
    machine.wait_for_unit("default.target", "alice")
    output = host.switch(template.replace("NUMBER", "1"))
    assert "switching the user manager of alice" in output
    machine.wait_for_unit("sm-user.service", "alice")
    first = machine.get_unit_property("sm-user.service", "MainPID", "alice")
    host.switch(template.replace("NUMBER", "2"))
    machine.wait_for_unit("sm-user.service", "alice")
    assert machine.get_unit_property("sm-user.service", "MainPID", "alice") != first
    assert machine.get_unit_property("sm-user.service", "Environment", "alice").startswith("VERSION=2")
    host.run("deactivate")
    assert "inactive" in machine.systemctl("is-active sm-user.service", "alice")[1]
