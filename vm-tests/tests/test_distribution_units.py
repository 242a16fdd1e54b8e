"""Units of the distribution beneath ours: extended, replaced, masked and given back, and never down for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from images.rootimage import lacks_root
from judges.snapshot import assert_same, take_snapshot
from program.host import Host

IMAGE = "debian-12-servers"
UNITS = ("ssh", "cron", "nginx", "postgresql@15-main")


@pytest.fixture
def host(make_machine: Callable[..., SystemdMachine], tmp_path: Path) -> Host:
    """A Debian on which nginx, ssh, cron and PostgreSQL of the distribution run."""
    if lacking := lacks_root(IMAGE):
        pytest.skip(lacking)
    host = Host(make_machine(image=IMAGE), tmp_path)
    host.machine.succeed("ls /etc/ssh/ssh_host_ed25519_key >/dev/null || ssh-keygen -A", "rm -f /etc/nologin")
    host.machine.succeed("systemctl enable ssh cron nginx postgresql", "systemctl start ssh cron nginx postgresql")
    for unit in UNITS:
        host.machine.wait_for_unit(f"{unit}.service")
    host.machine.wait_for_open_port(22)
    return host


def pids(host: Host) -> dict[str, int]:
    """Returns the main process of each unit; all must run."""
    found = {unit: host.pid(f"{unit}.service") for unit in UNITS}
    assert all(found.values()), found
    return found


def nice(host: Host, pid: int) -> str:
    """Returns the nice value of a process."""
    return host.machine.succeed(f"ps -o ni= -p {pid}").strip()


EXTENDED = """
{
  systemd.services = {
    ssh.serviceConfig.Nice = NICE;
    cron.serviceConfig.Nice = NICE;
    nginx.serviceConfig.Nice = NICE;
    "postgresql@15-main".serviceConfig.Nice = NICE;
  };
}
"""


def test_what_could_not_stand_alone_extends_the_distributions_unit(host: Host) -> None:
    machine = host.machine
    before, first = take_snapshot(machine), pids(host)
    extended = host.bring(EXTENDED.replace("NICE", "5"))
    plan = host.run("plan", extended)
    for unit in UNITS:
        assert f"{unit}.service: the host's unit is extended by a drop-in" in plan
    host.run("activate", extended)
    second = pids(host)
    for unit in UNITS:
        assert second[unit] != first[unit] and nice(host, second[unit]) == "5", unit
    assert "No changes" in host.run("activate", extended)

    # Whichever way it goes, the distribution's unit runs on as it was.
    host.run("activate", host.bring("{ }"))
    third = pids(host)
    for unit in UNITS:
        assert third[unit] != second[unit] and nice(host, third[unit]) == "0", unit
    host.run("activate", extended)
    host.run("deactivate")
    for unit, pid in pids(host).items():
        assert nice(host, pid) == "0", unit
    assert_same(before, take_snapshot(machine))


REPLACED = """
{
  systemd.services = builtins.listToAttrs (map (name: {
    inherit name;
    value.serviceConfig.ExecStart = "/bin/sleep infinity";
  }) [ "ssh" "cron" "nginx" ]);
}
"""
MASKED = '{ systemd.maskedUnits = [ "ssh.service" "cron.service" "nginx.service" "apt-daily.timer" ]; }'


@pytest.mark.parametrize("taken", [REPLACED, MASKED], ids=["replaced", "masked"])
def test_what_was_taken_away_comes_back(host: Host, taken: str) -> None:
    machine = host.machine
    machine.succeed("systemctl stop cron.service", "systemctl enable --now apt-daily.timer")
    before = take_snapshot(machine)
    toplevel = host.bring(taken)
    plan = host.run("plan", toplevel)
    if taken == REPLACED:
        assert "ssh.service: the host's unit is replaced" in plan
        assert "-ExecStart=/usr/sbin/sshd -D $SSHD_OPTS" in plan
    host.run("activate", toplevel)
    machine.fail("pgrep -x nginx")
    state = "active" if taken == REPLACED else "inactive"
    machine.require_unit_state("nginx.service", state)

    host.run("activate", host.bring("{ }"))
    for unit in ("ssh", "nginx"):
        machine.require_unit_state(f"{unit}.service")
    machine.succeed("pgrep -x nginx", "pgrep -x sshd")
    machine.require_unit_state("apt-daily.timer")
    # It did not run when we came.
    machine.require_unit_state("cron.service", "inactive")

    # A service of ours that is down when it goes: the distribution's ran, and is enabled.
    host.run("activate", toplevel)
    machine.succeed("systemctl stop nginx.service")
    host.run("deactivate")
    machine.succeed("pgrep -x nginx")
    machine.require_unit_state("ssh.service")
    machine.succeed("systemctl start cron.service")
    machine.succeed("systemctl stop cron.service")
    assert_same(before, take_snapshot(machine))


TRIGGER = """
{ config, ... }:
{
  environment.etc."nginx/conf.d/managed.conf".text = "server { listen 8081; return 200 'VERSION'; }";
  systemd.services.nginx.reloadTriggers = [ config.environment.etc."nginx/conf.d/managed.conf".source ];
}
"""


def test_a_file_of_the_configuration_reloads_the_distributions_nginx(host: Host) -> None:
    machine = host.machine
    pid = host.pid("nginx.service")
    for version in ("1", "2"):
        toplevel = host.bring(TRIGGER.replace("VERSION", version))
        plan = host.json("plan", toplevel)
        assert [a["unit"] for a in plan["units"]["reload"]] == ["nginx.service"]
        assert plan["units"]["restart"] == plan["units"]["stop"] == []
        host.run("activate", toplevel)
        machine.wait_until_succeeds(f"test $(curl -s localhost:8081) = {version}")
        assert host.pid("nginx.service") == pid
    host.run("deactivate")
    machine.wait_until_fails("curl -s localhost:8081")
    assert host.pid("nginx.service") == pid


HOLDERS = """
{
  systemd.slices.user.sliceConfig.TasksMax = 5000;
  systemd.slices."-".sliceConfig.TasksMax = 5000;
  systemd.slices.system-cron.sliceConfig.TasksMax = 5000;
  systemd.targets.multi-user.wants = [ "cron.service" ];
}
"""


def test_slices_and_targets_of_the_system_outlive_what_was_added_to_them(host: Host) -> None:
    machine = host.machine
    machine.succeed("systemd-run --quiet --unit=theirs --slice=system-cron.slice /bin/sleep infinity")
    machine.succeed("systemd-run --quiet --unit=session --slice=user.slice /bin/sleep infinity")
    ran = [*pids(host).values(), host.pid("theirs.service"), host.pid("session.service")]
    host.run("activate", host.bring(HOLDERS))
    assert machine.get_unit_property("user.slice", "TasksMax") == "5000"
    for leave in (["activate", host.bring("{ }")], ["activate", host.bring(HOLDERS)], ["deactivate"]):
        host.run(*leave)
        now = [*pids(host).values(), host.pid("theirs.service"), host.pid("session.service")]
        assert now == ran, leave
        for unit in ("user.slice", "system-cron.slice", "multi-user.target"):
            machine.require_unit_state(unit)
    machine.succeed("systemctl stop theirs.service session.service")


def test_a_unit_that_nobody_has_is_refused_with_the_key_that_it_lacks(host: Host) -> None:
    host.refuses("{ systemd.services.sshh.serviceConfig.Nice = 5; }", "`sshh.service` has no `[Service] ExecStart=`")
    host.refuses("{ systemd.timers.no-such.timerConfig.Persistent = true; }", "`[Timer] OnCalendar=`")
