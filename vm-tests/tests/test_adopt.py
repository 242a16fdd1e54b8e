"""`adopt` on a host that was set up by hand: what runs there is described, and goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from judges.snapshot import ACCOUNT_BACKUPS, assert_same, take_snapshot
from program.host import Host

UNIT = "sm-byhand.service"
FILE = "/etc/systemd/system/" + UNIT


@pytest.fixture
def host(machine: SystemdMachine, tmp_path: Path) -> Host:
    """A machine with the program in it."""
    return Host(machine, tmp_path)


def _set_up(machine: SystemdMachine) -> None:
    machine.succeed(
        "useradd --create-home --shell /bin/bash --groups adm --comment 'Ann Other,,,' sm-ann",
        "echo 'sm-ann:secret' | chpasswd",
        "groupadd --gid 4242 sm-team && usermod --append --groups sm-team sm-ann",
        f"printf '[Service]\\nExecStart=/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n' >{FILE}",
        f"systemctl daemon-reload && systemctl enable --now {UNIT}",
        f"mkdir -p {FILE}.d && printf '[Service]\\nEnvironment=V=1\\n' >{FILE}.d/local.conf",
        f"systemctl daemon-reload && systemctl restart {UNIT}",
        "systemctl mask sm-never.service",
        "mkdir -p /etc/cron.d /etc/sudoers.d /etc/sysctl.d /etc/tmpfiles.d /etc/sm-app",
        "echo '0 3 * * * root true' >/etc/cron.d/sm-backup",
        "echo 'sm-ann ALL=(ALL) NOPASSWD: /bin/true' >/etc/sudoers.d/sm-ann && chmod 440 /etc/sudoers.d/sm-ann",
        "echo 'net.ipv4.ip_forward = 1' >/etc/sysctl.d/90-sm.conf",
        "echo 'd /run/sm-app 0755' >/etc/tmpfiles.d/sm-app.conf",
        "echo 'a = ${b}' >/etc/sm-app/conf && chown sm-ann:sm-team /etc/sm-app/conf",
        "echo never-told >/etc/sm-app/token && chmod 600 /etc/sm-app/token",
    )


def test_a_host_set_up_by_hand_is_described_and_runs_on(host: Host) -> None:
    machine = host.machine
    _set_up(machine)
    before, pid = take_snapshot(machine), host.pid(UNIT)
    names = "/etc/cron.d /etc/sudoers.d/sm-ann /etc/sysctl.d/90-sm.conf /etc/tmpfiles.d /etc/sm-app sm-never.service"
    names += f" {UNIT} sm-ann sm-team /etc/hosts /etc/hostname"
    text = machine.succeed(f"system-manager adopt {names} 2>/dev/null")
    assert "never-told" not in text
    assert machine.succeed("getent shadow sm-ann").split(":")[1] not in text
    adopted = host.bring(text)
    output = host.run("plan", adopted, "--detailed-exitcode")
    assert "No changes" in output, output

    host.run("register", adopted)
    host.run("activate")
    assert host.pid(UNIT) == pid
    assert_same(before, take_snapshot(machine), ignore=ACCOUNT_BACKUPS)
    assert "sm-app/conf" in host.run("why", "/etc/sm-app/conf")

    # It is a configuration as any other: what is changed there changes here, and comes back.
    changed = host.bring(text.replace("sleep infinity", "sleep 100000").replace("a = ", "b = "))
    plan = host.run("plan", changed, "--detailed-exitcode", expect=10)
    assert f"{UNIT}" in plan and "+b = ${b}" in plan, plan
    host.run("activate", changed)
    assert "100000" in machine.get_unit_property(UNIT, "ExecStart")
    assert "V=1" in machine.get_unit_property(UNIT, "Environment")
    host.run("deactivate")
    assert_same(before, take_snapshot(machine), ignore=ACCOUNT_BACKUPS)
    assert "infinity" in machine.get_unit_property(UNIT, "ExecStart")
    assert machine.get_unit_property(UNIT, "ActiveState") == "active"
