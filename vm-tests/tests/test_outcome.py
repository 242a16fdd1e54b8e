"""The outcome is the truth: failing units, the way back, kills and obstacles, on a real systemd."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from judges.snapshot import assert_same, take_snapshot
from program.host import Host

GOOD = """
{
  environment.etc."sm-file" = { text = "good\\n"; mode = "0644"; };
  systemd.services.sm-daemon = {
    wantedBy = [ "multi-user.target" ];
    # A test that switches many times in a row is not a service that crashes in a loop.
    unitConfig.StartLimitIntervalSec = 0;
    serviceConfig.ExecStart = "/bin/sleep infinity";
  };
}
"""

BROKEN = """
{
  environment.etc."sm-file" = { text = "broken\\n"; mode = "0644"; };
  systemd.services.sm-daemon = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig.ExecStart = "/bin/sh -c 'echo the reason is told; exit 3'";
    serviceConfig.Type = "oneshot";
  };
}
"""


@pytest.fixture
def host(machine: SystemdMachine, tmp_path: Path) -> Host:
    """A machine with the program in it."""
    return Host(machine, tmp_path)


@pytest.mark.leaves("failed unit: sm-daemon.service", why="it is to fail")
def test_a_failing_unit_is_named_with_its_log_and_exit_code_4(host: Host) -> None:
    output = host.switch(BROKEN, expect=4)
    assert "the following units failed: sm-daemon.service" in output
    assert "the reason is told" in output
    assert host.machine.succeed("cat /etc/sm-file") == "broken\n"
    # A second run is no way to make it look well.
    assert "the last run failed: its start job failed" in host.run("plan", host.bring(BROKEN))
    assert "the following units failed: sm-daemon.service" in host.run("activate", expect=4)
    assert "failed: sm-daemon.service" in host.run("status")


def test_a_unit_that_has_failed_since_is_told_by_a_run_that_changes_nothing(host: Host) -> None:
    machine = host.machine
    host.switch(GOOD)
    assert "No changes: the host is as the configuration says." in host.run("activate")
    machine.succeed("systemctl kill --signal KILL sm-daemon", "while systemctl is-active -q sm-daemon; do :; done")
    told = "warning: 1 unit of the configuration has failed since: sm-daemon.service"
    assert told in host.run("activate")
    assert told.removeprefix("warning: ") in host.json("activate")["warnings"][0]
    host.run("status", "--detailed-exitcode", expect=10)
    machine.succeed("systemctl start sm-daemon")
    assert "failed since" not in host.run("activate")


ASSERTS = """
{
  systemd.services.sm-asserts = {
    wantedBy = [ "multi-user.target" ];
    unitConfig.AssertPathExists = "/run/sm-there";
    serviceConfig.ExecStart = "/bin/sleep infinity";
    serviceConfig.ExecReload = "/usr/bin/test -e /run/sm-reloads";
    reloadTriggers = [ "TRIGGER" ];
  };
}
"""


def test_what_left_no_failed_unit_is_remembered_until_it_is_well(host: Host) -> None:
    machine = host.machine
    first = host.bring(ASSERTS.replace("TRIGGER", "1"))
    host.run("activate", first, expect=4)
    machine.succeed("! systemctl is-failed sm-asserts.service")
    for _ in range(2):
        assert "failed: sm-asserts.service: its start job failed because an assertion" in host.run("status")
        assert host.json("status")["notBroughtUp"].keys() == {"sm-asserts.service"}
        host.run("plan", first, "--detailed-exitcode", expect=10)
        host.run("activate", first, expect=4)
    # Whoever makes it good need not switch for it.
    machine.succeed("touch /run/sm-there", "systemctl start sm-asserts.service")
    assert "failed" not in host.run("status")
    assert "No changes" in host.run("activate", first)
    host.run("plan", first, "--detailed-exitcode")

    # A reload that fails leaves a service that runs as it did.
    second = host.bring(ASSERTS.replace("TRIGGER", "2"))
    for _ in range(2):
        host.run("activate", second, expect=4)
        assert "failed: sm-asserts.service: its reload job failed" in host.run("status")
    machine.succeed("touch /run/sm-reloads")
    host.run("activate", second)
    assert "failed" not in host.run("status")
    assert "No changes" in host.run("activate", second)
    machine.succeed("rm /run/sm-there")
    host.run("activate", host.bring(ASSERTS.replace("TRIGGER", "2").replace("infinity", "100000")), expect=4)
    host.run("deactivate")
    assert "failed" not in host.run("status")


@pytest.mark.leaves("failed unit: sm-theirs.service", why="it is to fail")
def test_a_failing_unit_of_someone_else_does_not_fail_the_run(host: Host) -> None:
    machine = host.machine
    machine.execute("systemd-run --unit=sm-theirs /bin/false")
    machine.wait_until_succeeds("systemctl is-failed sm-theirs.service")
    output = host.switch(GOOD)
    assert "already failing before, and not touched: sm-theirs.service" in output
    assert host.json("status")["failed"] == []
    machine.require_unit_state("sm-daemon.service")


def test_rollback_on_failure_goes_back_and_exits_with_5(host: Host) -> None:
    machine = host.machine
    good, broken = host.bring(GOOD), host.bring(BROKEN)
    for toplevel, options, code in ((good, [], 0), (broken, ["--rollback-on-failure"], 5)):
        host.run("plan", toplevel, "--out", "/root/plan")
        output = host.run("switch", "/root/plan", *options, expect=code)
    assert "the reason is told" in output
    assert "rolling back to " + good in output
    assert machine.succeed("cat /etc/sm-file") == "good\n"
    machine.require_unit_state("sm-daemon.service")
    assert host.json("status")["active"] == good


def test_what_the_plan_says_of_units_is_what_happens(host: Host) -> None:
    machine = host.machine
    host.switch(GOOD)
    pid = host.pid("sm-daemon.service")
    changed = host.bring(GOOD.replace("sleep infinity", "sleep 100000"))
    plan = host.json("plan", changed)
    acted = {action["unit"] for verb in ("stop", "restart", "start") for action in plan["units"][verb]}
    assert "sm-daemon.service" in acted
    outcome = host.json("activate", changed)
    assert {job["unit"] for job in outcome["jobs"]} == acted
    assert host.pid("sm-daemon.service") != pid
    assert host.json("plan", changed)["units"]["restart"] == []
    machine.require_unit_state("sm-daemon.service")


def test_a_kill_at_any_point_is_made_good_by_the_next_run(host: Host) -> None:
    machine = host.machine
    before = take_snapshot(machine)
    good, other = host.bring(GOOD), host.bring(GOOD.replace("good", "other").replace("infinity", "200000"))
    for number, moment in enumerate(("0.01", "0.02", "0.04", "0.07", "0.1", "0.15", "0.2", "0.3")):
        toplevel = (good, other)[number % 2]
        machine.execute(f"timeout --signal=KILL {moment} system-manager activate {toplevel} >/dev/null 2>&1")
        host.run("activate", toplevel)
        assert machine.succeed("cat /etc/sm-file") == ("good\n", "other\n")[number % 2]
        machine.require_unit_state("sm-daemon.service")
        seconds = ("infinity", "200000")[number % 2]
        pid = host.pid("sm-daemon.service")
        assert machine.succeed(f"tr '\\0' ' ' </proc/{pid}/cmdline").split() == ["/bin/sleep", seconds]
        assert "No changes" in host.run("activate", toplevel)
    host.run("deactivate")
    assert_same(before, take_snapshot(machine))


def test_two_switches_at_once_are_one_and_a_refusal(host: Host) -> None:
    machine = host.machine
    slow = host.bring(GOOD.replace('"/bin/sleep infinity"', '"/bin/sh -c \'sleep 5\'"; serviceConfig.Type = "oneshot"'))
    machine.execute(f"systemd-run --unit=sm-first /usr/bin/env PATH=$PATH $(command -v system-manager) activate {slow}")
    machine.wait_until_succeeds("test -e /var/lib/system-manager/journal")
    output = host.run("activate", slow, expect=1)
    assert "another activation is running" in output
    assert "hint: wait" in output


def test_without_a_bus_nothing_is_changed(host: Host) -> None:
    machine = host.machine
    toplevel = host.bring(GOOD)
    before = take_snapshot(machine)
    machine.succeed("mount --bind /dev/null /run/dbus/system_bus_socket")
    machine.succeed("mount --bind /dev/null /run/systemd/private")
    output = host.run("activate", toplevel, expect=1)
    assert "error: connecting to systemd on the system bus" in output
    assert "hint:" in output
    machine.succeed("umount /run/dbus/system_bus_socket /run/systemd/private")
    assert_same(before, take_snapshot(machine))
    host.run("activate", toplevel)
    machine.require_unit_state("sm-daemon.service")


def test_a_service_that_ends_badly_when_it_goes_fails_no_run_and_is_forgotten(host: Host) -> None:
    script = "trap 'exit 15' TERM; while :; do sleep 1 & wait; done"
    host.switch(GOOD.replace('"/bin/sleep infinity"', f"''/bin/bash -c \"{script}\"''"))
    output = host.run("deactivate")
    assert "sm-daemon.service is stopped and gone, but did not end well" in output
    assert "sm-daemon" not in host.machine.succeed("systemctl list-units --all --failed --plain --no-legend")
