"""A second run is as true as the first one: the outcome is what runs, not what an earlier run has seen of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from judges.snapshot import assert_same, take_snapshot
from program.host import Host

WAITS = "until test -e /run/sm-end; do sleep 0.1; done"
JOB = f"""
{{
  systemd.services.sm-job = {{
    wantedBy = [ "multi-user.target" ];
    unitConfig.StartLimitIntervalSec = 0;
    serviceConfig.Type = "oneshot";
    serviceConfig.RemainAfterExit = true;
    serviceConfig.TimeoutStartSec = "infinity";
    serviceConfig.ExecStart = "/bin/sh -c '{WAITS}; ! test -s /run/sm-end'";
  }};
}}
"""
SOON = ("--unit-timeout", "1")


@pytest.fixture
def host(machine: SystemdMachine, tmp_path: Path) -> Host:
    """A machine with the program in it."""
    return Host(machine, tmp_path)


def require_unwell(host: Host, *arguments: str) -> None:
    """Runs something which must say that it has not come to its end, and neither must `status`."""
    output = host.run(*arguments, expect=4)
    assert "sm-job.service" in output and "No changes" not in output, output
    assert "sm-job.service" in host.run("status")


def test_a_job_that_still_runs_is_no_success_of_the_second_run(host: Host) -> None:
    machine = host.machine
    first = host.bring(JOB)
    require_unwell(host, "activate", *SOON, first)
    require_unwell(host, "activate", *SOON, first)
    # It ends badly while nobody looks.
    machine.succeed("echo badly >/run/sm-end")
    machine.wait_until_succeeds("systemctl is-failed sm-job.service")
    require_unwell(host, "activate", first)
    machine.succeed(": >/run/sm-end")
    host.run("activate", first)
    machine.require_unit_state("sm-job.service")
    assert "No changes" in host.run("activate", first)


@pytest.mark.parametrize(("signal", "code"), [("KILL", 137), ("TERM", 3)])
def test_a_job_of_a_run_that_was_cut_short_is_waited_for_by_the_next(host: Host, signal: str, code: int) -> None:
    machine = host.machine
    first = host.bring(JOB)
    run = f"system-manager activate {first} >/run/sm-said 2>&1 & run=$!"
    begun = "until systemctl list-jobs | grep -q 'sm-job.service.*running'; do sleep 0.1; done"
    ended, output = machine.execute(f"{run}; {begun}; kill -{signal} $run; wait $run")
    assert ended == code, machine.succeed("cat /run/sm-said") + output
    require_unwell(host, "activate", *SOON, first)
    machine.succeed(": >/run/sm-end")
    host.run("activate", first)
    machine.require_unit_state("sm-job.service")
    assert "No changes" in host.run("activate", first)


STOPS = f"""
{{
  systemd.services.sm-job = {{
    wantedBy = [ "multi-user.target" ];
    serviceConfig.ExecStart = "/bin/sleep infinity";
    serviceConfig.ExecStop = "/bin/sh -c '{WAITS}'";
    serviceConfig.TimeoutStopSec = "infinity";
  }};
}}
"""


@pytest.mark.parametrize("way", ["dropped", "deactivate"])
def test_a_stop_that_timed_out_is_not_forgotten_by_the_second_run(host: Host, way: str) -> None:
    machine = host.machine
    before = take_snapshot(machine)
    host.run("activate", host.bring(STOPS))
    pid = host.pid("sm-job.service")
    command = ["deactivate"] if way == "deactivate" else ["activate", host.bring("{ }")]
    require_unwell(host, *command, *SOON)
    require_unwell(host, *command, *SOON)
    machine.succeed(f"test -e /proc/{pid}", "touch /run/sm-end")
    host.run(*command)
    machine.fail(f"test -e /proc/{pid}")
    assert "sm-job" not in machine.succeed("systemctl list-units --all --plain --no-legend")
    assert "sm-job" not in host.run("status")
    host.run("deactivate")
    assert_same(before, take_snapshot(machine))


def daemon(version: str) -> str:
    """Gives the configuration of a service in some version."""
    return (
        '{ systemd.services.sm-own = { wantedBy = [ "multi-user.target" ]; '
        f'environment.V = "{version}"; serviceConfig.ExecStart = "/bin/sleep infinity"; }}; }}'
    )


def version_of(host: Host) -> str:
    """Returns the version that the running process was started with."""
    environment = host.machine.succeed(f"tr '\\0' '\\n' </proc/{host.pid('sm-own.service')}/environ")
    return dict(line.split("=", 1) for line in environment.splitlines())["V"]


UNIT = "/etc/systemd/system/sm-own.service"
LOSSES = {
    # For systemctl, a link to elsewhere is what `link` or `enable` has made.
    "disabled": "systemctl disable sm-own.service",
    "deleted": f"rm {UNIT} && systemctl daemon-reload",
    "deleted, and systemd was not told": f"rm {UNIT}",
    "wanted by nobody": "rm /etc/systemd/system/multi-user.target.wants/sm-own.service && systemctl daemon-reload",
    "masked": f"ln -sf /dev/null {UNIT} && systemctl daemon-reload",
}


@pytest.mark.parametrize("loss", LOSSES)
def test_what_lost_its_link_is_stopped_and_started_all_the_same(host: Host, loss: str) -> None:
    machine = host.machine
    before = take_snapshot(machine)
    first = host.bring(daemon("1"))
    for then in ("same", "next", "none", "deactivate"):
        host.run("activate", first)
        pid = host.pid("sm-own.service")
        machine.succeed(LOSSES[loss], f"test -e /proc/{pid}")
        if then == "same":
            host.run("activate", first)
            assert version_of(host) == "1"
            assert machine.get_unit_property("sm-own.service", "LoadState") == "loaded"
        elif then == "next":
            host.run("activate", host.bring(daemon("2")))
            assert version_of(host) == "2"
        else:
            host.run(*(["deactivate"] if then == "deactivate" else ["activate", host.bring("{ }")]))
            machine.fail(f"test -e /proc/{pid}")
            assert "sm-own" not in machine.succeed("systemctl list-units --all --plain --no-legend")
    assert_same(before, take_snapshot(machine))


EDIT = (
    f'text=$(sed s/V=1/V=edited/ {UNIT}) && rm {UNIT} && echo "$text" >{UNIT} && '
    "systemctl daemon-reload && systemctl restart sm-own.service"
)


def test_an_edit_that_was_restarted_does_not_run_on(host: Host) -> None:
    machine = host.machine
    first = host.bring(daemon("1"))
    more = host.bring(daemon("1").replace("{ systemd", '{ environment.etc."sm-more".text = "more"; systemd', 1))
    for then in (first, more):
        host.run("activate", first)
        machine.succeed(EDIT)
        assert version_of(host) == "edited"
        plan = host.run("plan", then)
        assert "sm-own.service" in plan.split("Units", 1)[1], plan
        host.run("activate", then)
        assert version_of(host) == "1"
        assert "No changes" in host.run("activate", then)
    machine.succeed(EDIT)
    pid = host.pid("sm-own.service")
    host.run("deactivate")
    machine.fail(f"test -e /proc/{pid}")
