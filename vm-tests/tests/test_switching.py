"""Each rule of switching that only a running systemd can show, and the plan compared with what systemd did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api.systemd_api import SystemdMachine
from judges.jobs import JobRecorder, predicted, services, units_of
from judges.snapshot import assert_same, take_snapshot
from program.host import Host

LET = """
{ lib, ... }:
let
  version = "VERSION";
  daemon = extra: lib.recursiveUpdate {
    wantedBy = [ "multi-user.target" ];
    serviceConfig.ExecStart = "/bin/sleep infinity";
  } extra;
in
"""

RULES = (
    LET
    + """
{
  systemd.services = {
    sm-same = daemon { };
    sm-stopped = daemon { };
    sm-described = daemon { description = version; };
    sm-changed = daemon {
      environment.V = version;
      serviceConfig.ExecStop = "/bin/sh -c 'echo ${version} >> /run/sm-stops'";
    };
    sm-reload = daemon {
      reloadTriggers = [ version ];
      serviceConfig.ExecReload = "/bin/sh -c 'echo reloaded >> /run/sm-reloads'";
    };
    sm-reload-if = daemon {
      environment.V = version;
      reloadIfChanged = true;
      serviceConfig.ExecReload = "/bin/sh -c 'echo reloaded >> /run/sm-reloads'";
    };
    sm-keep = daemon { environment.V = version; restartIfChanged = false; };
    sm-trigger = daemon { restartTriggers = [ version ]; };
    sm-once = daemon { environment.V = version; stopIfChanged = false; };
    sm-job = { startAt = "hourly"; script = "echo ${version} >> /run/sm-job"; };
    "sm-inst@" = { serviceConfig.ExecStart = "/bin/sleep infinity"; environment.V = version; };
    "sm-inst@one" = { overrideStrategy = "asDropin"; wantedBy = [ "multi-user.target" ]; };
    sm-vendor = { overrideStrategy = "asDropin"; environment.V = version; };
    sm-vendor-same = { overrideStrategy = "asDropin"; environment.V = "1"; };
    sm-needs = daemon { requires = [ "sm-once.service" ]; after = [ "sm-once.service" ]; };
  };
}
"""
)

VENDOR = "printf '[Service]\\nExecStart=/bin/sleep infinity\\n' >/usr/lib/systemd/system/{0}.service"
KEPT = ("same", "described", "reload", "reload-if", "keep", "vendor-same")
RENEWED = ("changed", "trigger", "once", "inst@one", "inst@hand", "vendor", "needs")


@pytest.fixture
def host(machine: SystemdMachine, tmp_path: Path) -> Host:
    """A machine with the program in it."""
    return Host(machine, tmp_path)


def activate(host: Host, configuration: str) -> tuple[dict[str, Any], JobRecorder, str]:
    """Activates a configuration; systemd must run the jobs of the plan and no other. Returns plan, jobs and output."""
    toplevel = host.bring(configuration)
    plan = host.json("plan", toplevel)
    with JobRecorder(host.machine) as recorder:
        output = host.run("activate", toplevel)
    shown = f"{json.dumps(plan['units'], indent=1)}\n{recorder}"
    # A unit that another one has pulled in already gets one more job, which finds nothing to do.
    assert set(recorder.jobs) == set(predicted(plan)) and recorder.jobs >= predicted(plan), shown
    starts = services(plan, "start")
    assert recorder.services("stop") == services(plan, "stop"), shown
    assert recorder.services("reload") == services(plan, "reload"), shown
    assert recorder.services("restart") == services(plan, "restart") | services(plan, "along"), shown
    assert starts <= recorder.services("start") <= starts | recorder.services("restart"), shown
    assert recorder.reloads == int(plan["units"]["daemonReload"]), shown
    return plan, recorder, output


def assert_settled(host: Host) -> None:
    """Activating again changes nothing: systemd runs no job and reads no unit file."""
    toplevel = host.machine.succeed("readlink /var/lib/system-manager/current").strip()
    with JobRecorder(host.machine) as recorder:
        assert "No changes" in host.run("activate", toplevel)
    assert recorder.jobs == {} and recorder.reloads == 0, str(recorder)


def pids(host: Host, names: tuple[str, ...]) -> dict[str, int]:
    """Returns the main process of each service."""
    found = {name: host.pid(f"sm-{name}.service") for name in names}
    assert all(found.values()), found
    return found


def test_a_change_of_each_kind_does_what_the_plan_says(host: Host) -> None:
    machine = host.machine
    machine.succeed(VENDOR.format("sm-vendor"), VENDOR.format("sm-vendor-same"), "systemctl daemon-reload")
    machine.succeed("systemctl start sm-vendor.service")
    plan, _, _ = activate(host, RULES.replace("VERSION", "1"))
    assert "sm-same.service" in units_of(plan, "start")
    machine.succeed("systemctl start sm-inst@hand.service sm-vendor-same.service sm-vendor.service")
    machine.succeed("systemctl stop sm-stopped.service")
    kept, renewed = pids(host, KEPT), pids(host, RENEWED)

    assert_settled(host)

    plan, recorder, output = activate(host, RULES.replace("VERSION", "2"))
    assert pids(host, KEPT) == kept
    again = pids(host, RENEWED)
    assert all(again[name] != renewed[name] for name in RENEWED), (renewed, again)
    # The stop ran under the old definition, and once.
    assert machine.succeed("cat /run/sm-stops") == "1\n"
    assert machine.succeed("cat /run/sm-reloads") == "reloaded\nreloaded\n"
    assert units_of(plan, "reload") == ["sm-reload-if.service", "sm-reload.service"]
    # A unit of the distribution restarts in one job, as the distribution does that.
    assert units_of(plan, "restart") == ["sm-once.service", "sm-vendor.service"]
    assert units_of(plan, "along") == ["sm-needs.service"]
    # One job that restarts, not a stop and a start, so that what asks for the unit never finds it stopped.
    assert recorder.jobs["sm-once.service"] == 1 and ("sm-once.service", "stop") not in recorder.kinds
    assert recorder.jobs["sm-changed.service"] == 2
    machine.require_unit_state("sm-stopped.service", "inactive")
    machine.fail("test -e /run/sm-job")
    assert "NOT restarting the following changed units: sm-keep.service" in output
    # What was kept runs on under its old definition, and the next start takes the new one.
    assert "V=2" in machine.get_unit_property("sm-keep.service", "Environment")


UNITS = (
    LET
    + """
{
  systemd.services = {
    sm-a = daemon { };
    sm-b = daemon { serviceConfig.ExecStop = "/bin/sh -c 'echo b >> /run/sm-stops'"; };
    sm-timed = { serviceConfig.ExecStart = "/bin/true"; };
    sm-echo = { serviceConfig.ExecStart = "/bin/cat"; serviceConfig.StandardInput = "socket"; };
  };
  MORE
}
"""
)

MORE = """
  systemd.timers.sm-timed = { wantedBy = [ "timers.target" ]; timerConfig.OnCalendar = "yearly"; };
  systemd.sockets.sm-echo = { wantedBy = [ "sockets.target" ]; listenStreams = [ "/run/sm-echo.sock" ]; };
  systemd.targets.sm-own = { wantedBy = [ "multi-user.target" ]; };
  systemd.services.sm-c = { wantedBy = [ "sm-own.target" ]; serviceConfig.ExecStart = "/bin/sleep infinity"; };
  systemd.paths.sm-timed = { wantedBy = [ "paths.target" ]; pathConfig.PathExists = "/run/sm-never"; };
"""


def test_units_that_come_go_are_masked_and_come_back_after_a_reboot(host: Host) -> None:
    machine = host.machine
    activate(host, UNITS.replace("MORE", ""))
    pid = host.pid("sm-a.service")

    plan, _, output = activate(host, UNITS.replace("MORE", MORE))
    new = ["sm-c.service", "sm-echo.socket", "sm-own.target", "sm-timed.path", "sm-timed.timer"]
    assert units_of(plan, "start") == new and units_of(plan, "stop") == []
    assert f"the following new units were started: {', '.join(new)}" in output
    for unit in new:
        machine.require_unit_state(unit)

    masked = MORE + 'systemd.maskedUnits = [ "sm-b.service" ];'
    plan, _, _ = activate(host, UNITS.replace("sm-b =", "sm-d =").replace("MORE", masked))
    assert units_of(plan, "stop") == ["sm-b.service"] and units_of(plan, "start") == ["sm-d.service"]
    assert machine.succeed("cat /run/sm-stops") == "b\n"
    assert machine.get_unit_property("sm-b.service", "LoadState") == "masked"

    plan, _, _ = activate(host, UNITS.replace("MORE", MORE))
    assert units_of(plan, "start") == ["sm-b.service"] and units_of(plan, "stop") == ["sm-d.service"]
    assert host.pid("sm-a.service") == pid

    wanted = [*new, "sm-a.service", "sm-b.service"]
    machine.reboot()
    for unit in wanted:
        machine.wait_for_unit(unit)
    assert_settled(host)

    plan, _, _ = activate(host, UNITS.replace("MORE", ""))
    assert units_of(plan, "stop") == new
    for unit in new:
        machine.require_unit_state(unit, "inactive")


SOCKET = (
    LET
    + """
{
  systemd.services.sm-talk = {
    environment.V = version;
    SERVICE
    serviceConfig.ExecStart = "/usr/bin/python3 /var/sm-talk.py ${version}";
  };
  systemd.sockets.sm-talk = { wantedBy = [ "sockets.target" ]; listenStreams = [ "/run/sm-talk.sock" ]; };
}
"""
)

TALK = """
import os, socket, sys
listening = socket.socket(fileno=3)
open("/run/sm-talk.up", "w").write(sys.argv[1])
while True:
    connection, _ = listening.accept()
    connection.sendall(sys.argv[1].encode() + connection.recv(100))
    connection.close()
"""

ASK = """
import socket, subprocess, sys
client = socket.socket(socket.AF_UNIX)
client.connect("/run/sm-talk.sock")
if sys.argv[1:]:
    subprocess.run(sys.argv[1:], check=True, stdout=sys.stderr)
client.sendall(b"!")
print(client.recv(100).decode())
"""


def test_a_socket_keeps_what_waits_for_its_service(host: Host, tmp_path: Path) -> None:
    machine = host.machine
    for name, text in (("sm-talk.py", TALK), ("sm-ask.py", ASK)):
        (tmp_path / name).write_text(text)
        machine.copy_from_host(tmp_path / name, f"/var/{name}")
    # The service restarts in place, so that the socket listens all the while.
    one, two = (SOCKET.replace("SERVICE", "stopIfChanged = false;").replace("VERSION", v) for v in "12")
    activate(host, one)
    machine.require_unit_state("sm-talk.service", "inactive")
    assert machine.succeed("python3 /var/sm-ask.py") == "1!\n"

    # A client that connects while no one accepts, since the service is frozen, is served by the new service.
    second = host.bring(two)
    plan = host.json("plan", second)
    assert units_of(plan, "restart") == ["sm-talk.service"] and units_of(plan, "stop") == []
    pid = host.pid("sm-talk.service")
    machine.succeed(f"kill -STOP {pid}")
    assert machine.succeed(f"python3 /var/sm-ask.py system-manager activate {second}") == "2!\n"
    machine.require_unit_state("sm-talk.socket")
    assert host.pid("sm-talk.service") not in (0, pid)

    # By default both stop, and the socket starts the service again when it is asked.
    plan, _, _ = activate(host, SOCKET.replace("SERVICE", "").replace("VERSION", "3"))
    assert units_of(plan, "stop") == ["sm-talk.service", "sm-talk.socket"]
    assert units_of(plan, "start") == ["sm-talk.socket"]
    machine.require_unit_state("sm-talk.service", "inactive")
    assert machine.succeed("python3 /var/sm-ask.py") == "3!\n"

    # A socket that changes stays as it is; its service is not touched.
    pid = host.pid("sm-talk.service")
    changed = SOCKET.replace("SERVICE", "").replace("VERSION", "3")
    activate(host, changed.replace("listenStreams", "socketConfig.Backlog = 5; listenStreams"))
    assert host.pid("sm-talk.service") == pid


FAILING = (
    LET
    + """
{
  systemd.services = {
    sm-good = daemon { environment.V = version; };
    sm-bad = daemon { serviceConfig.ExecStart = "/bin/sh -c 'echo the disk is on fire; exit 7'"; BAD };
    sm-after-bad = daemon { requires = [ "sm-bad.service" ]; after = [ "sm-bad.service" ]; };
    sm-assert = daemon { unitConfig.AssertPathExists = "/run/sm-ASSERT"; };
  };
}
"""
)
WELL = (
    LET
    + """
{
  systemd.services.sm-good = daemon { environment.V = version; };
}
"""
)


@pytest.mark.leaves("failed unit: sm-bad.service", "failed unit: theirs.service", why="they are to fail")
def test_only_failures_of_this_run_fail_it_and_all_are_told(host: Host) -> None:
    machine = host.machine
    machine.succeed("systemd-run --quiet --unit=theirs /bin/false")
    machine.wait_until_succeeds("systemctl is-failed theirs.service")
    activate(host, WELL.replace("VERSION", "1"))
    _, _, output = activate(host, WELL.replace("VERSION", "2"))
    assert "theirs.service" in output and "failed: theirs" not in output

    failing = host.bring(FAILING.replace("VERSION", "3").replace("BAD", 'serviceConfig.Type = "oneshot";'))
    output = host.run("activate", failing, expect=4)
    # The order of these is the report's.
    for unit in ("sm-bad.service", "sm-after-bad.service", "sm-assert.service"):
        assert unit in output
    assert "the disk is on fire" in output
    machine.require_unit_state("sm-good.service")
    outcome = host.json("activate", host.bring(WELL.replace("VERSION", "4")))
    assert outcome["units"]["failed"] == {}
    assert "theirs.service" in outcome["units"]["failingBefore"]

    outcome = host.json("activate", failing, expect=4)
    failed = outcome["units"]["failed"]
    assert sorted(failed) == ["sm-after-bad.service", "sm-assert.service", "sm-bad.service"]
    assert "dependency" in failed["sm-after-bad.service"] and "assertion" in failed["sm-assert.service"]
    assert any("the disk is on fire" in line for line in outcome["logs"]["sm-bad.service"])


SLOW = (
    LET
    + """
{
  systemd.services.sm-slow = daemon {
    environment.V = version;
    serviceConfig.ExecStop = "/bin/sh -c 'until test -e /run/sm-let-go; do sleep 0.2; done'";
    serviceConfig.TimeoutStopSec = 120;
  };
  systemd.services.sm-other = daemon { environment.V = version; };
}
"""
)


def version_of(host: Host, unit: str) -> str:
    """Returns the version that the running process of a service was started with."""
    environment = host.machine.succeed(f"tr '\\0' '\\n' </proc/{host.pid(unit)}/environ")
    return dict(line.split("=", 1) for line in environment.splitlines())["V"]


def test_a_slow_stop_is_a_timeout_and_the_restart_is_done_later(host: Host) -> None:
    machine = host.machine
    host.run("activate", host.bring(SLOW.replace("VERSION", "1")))
    old = host.pid("sm-slow.service")
    second = host.bring(SLOW.replace("VERSION", "2"))
    output = host.run("activate", "--unit-timeout", "3", second, expect=4)
    assert "sm-slow.service" in output and "timed out" in output
    assert version_of(host, "sm-other.service") == "2"
    assert machine.succeed(f"test -e /proc/{old} && echo still there") == "still there\n"
    machine.succeed("touch /run/sm-let-go")
    host.run("activate", second)
    machine.wait_for_unit("sm-slow.service")
    assert version_of(host, "sm-slow.service") == "2"
    assert "No changes" in host.run("activate", second)


@pytest.mark.slow
def test_a_stop_of_45_seconds_loses_no_restart(host: Host) -> None:
    slow = SLOW.replace("until test -e /run/sm-let-go; do sleep 0.2; done", "sleep 45")
    host.run("activate", host.bring(slow.replace("VERSION", "1")))
    code, output = host.machine.execute(f"system-manager activate {host.bring(slow.replace('VERSION', '2'))} 2>&1")
    assert code == 0, output
    assert version_of(host, "sm-slow.service") == "2"


@pytest.mark.leaves("failed unit: switch.service", why="it is the run that was killed")
def test_a_switch_that_is_killed_resumes_and_two_at_once_are_refused(host: Host) -> None:
    machine = host.machine
    first, second = (host.bring(SLOW.replace("VERSION", v)) for v in "12")
    host.run("activate", first)
    start = f"systemd-run --quiet --unit=switch --property=KillMode=process system-manager activate {second}"
    machine.succeed(start)
    machine.wait_until_succeeds("systemctl list-jobs | grep -q 'sm-slow.service.*stop.*running'")
    machine.wait_until_succeeds("test $(systemctl show -P ActiveState sm-other.service) = inactive")

    holder = machine.get_unit_property("switch.service", "MainPID")
    output = host.run("activate", second, expect=1)
    assert "another activation is running" in output and f"process {holder}" in output

    machine.succeed(f"kill -9 {holder}", "touch /run/sm-let-go")
    machine.wait_until_succeeds("test $(systemctl show -P ActiveState sm-slow.service) = inactive")
    plan = host.json("plan", second)
    assert units_of(plan, "start") == ["sm-other.service", "sm-slow.service"]
    host.run("activate", second)
    assert version_of(host, "sm-slow.service") == "2" and version_of(host, "sm-other.service") == "2"
    assert "No changes" in host.run("activate", second)


def test_system_manager_target_starts_what_it_wants(host: Host) -> None:
    """A unit that only `system-manager.target` wants starts in the switch that brings it, and in those after."""
    daemon = 'wantedBy = [ "system-manager.target" ]; serviceConfig.ExecStart = "/bin/sleep infinity";'
    one = f"{{ systemd.services.sm-one = {{ {daemon} }}; }}"
    two = f"{{ systemd.services.sm-one = {{ {daemon} }}; systemd.services.sm-two = {{ {daemon} }}; }}"

    host.run("activate", host.bring(one))
    for unit in ("system-manager.target", "sm-one.service"):
        host.machine.require_unit_state(unit, "active")
    host.run("activate", host.bring(two))
    host.machine.require_unit_state("sm-two.service", "active")
    # At boot, the target comes with the one that the host boots into.
    wanted = host.machine.succeed("systemctl list-dependencies --plain default.target")
    assert "system-manager.target" in wanted and "sm-two.service" in wanted, wanted

    host.run("deactivate")
    for unit in ("system-manager.target", "sm-one.service", "sm-two.service"):
        host.machine.require_unit_state(unit, "inactive")


OF_A_TYPE = """
{
  systemd.units."service" = {
    text = "[Service]\\nTimeoutStopSec=%s\\n";
    overrideStrategy = "asDropin";
  };
  systemd.services.app = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig.ExecStart = "/bin/sleep infinity";
  };
}
"""


def test_what_is_added_to_all_units_of_a_type_takes_effect_and_goes(machine: SystemdMachine, tmp_path: Path) -> None:
    host = Host(machine, tmp_path)
    before = take_snapshot(machine)
    limit = "systemctl show --property TimeoutStopUSec --value app.service"
    for seconds in ("7", "9"):
        host.run("switch", host.bring(OF_A_TYPE % seconds))
        assert machine.succeed(limit) == f"{seconds}s\n"
    assert "No changes" in host.run("plan", host.bring(OF_A_TYPE % "9"))
    host.run("deactivate")
    assert_same(before, take_snapshot(machine))


# What the distribution has: a service that relies on a folder which a rule makes at boot.
GIVEN = """
mkdir -p /usr/lib/tmpfiles.d
printf 'd /run/given 2750 daemon daemon -\\n' >/usr/lib/tmpfiles.d/given.conf
printf '[Service]\\nExecStart=/bin/sh -c "test -g /run/given && exec sleep infinity"\\n' \\
  >/usr/lib/systemd/system/given.service
systemd-tmpfiles --create --prefix=/run/given
systemctl daemon-reload
systemctl start given.service
"""

TAKEN = """
{
  systemd.services.given = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig = { ExecStart = "/bin/sleep infinity"; RuntimeDirectory = "given"; };
  };
}
"""


def test_a_service_of_the_distribution_comes_back_to_the_folder_that_it_had(
    machine: SystemdMachine, tmp_path: Path
) -> None:
    """systemd removes a service's `RuntimeDirectory` with it, and only the boot would make it again."""
    host = Host(machine, tmp_path)
    machine.succeed(GIVEN)
    host.run("activate", host.bring(TAKEN))
    assert machine.succeed("stat --format %a:%U /run/given") == "755:root\n"
    host.run("deactivate")
    machine.require_unit_state("given.service", "active")
    assert machine.succeed("stat --format %a:%U /run/given") == "2750:daemon\n"
