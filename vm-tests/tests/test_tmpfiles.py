"""tmpfiles rules on a real system: what the plan shows is made, what is in the way is told, and what was made goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from judges.snapshot import assert_same, take_snapshot
from program.host import Host

FIRST = """
{ ... }: {
  systemd.tmpfiles.rules = [
    "d /var/lib/sm-data 0750 daemon adm -"
    "f /var/lib/sm-data/note 0640 daemon adm - hello"
    "d /var/lib/sm-empty/inner 0700 root root -"
    "L+ /run/sm-link - - - - /var/lib/sm-data"
    "L /run/current-system - - - - /var/lib/system-manager/current"
    "p /run/sm-pipe 0600 root root -"
    "d /var/lib/sm-blocked 0755 root root -"
  ];
}
"""
SECOND = FIRST.replace('"d /var/lib/sm-empty/inner 0700 root root -"', "").replace(
    "- - - - /var/lib/sm-data", "- - - - /var/lib/sm-empty"
)
LOST = """
{ ... }: {
  systemd.tmpfiles.rules = [ "L+ /var/lib/sm-blocked - - - - /nowhere" ];
}
"""
NOTHING = "{ ... }: { }"


@pytest.fixture
def host(machine: SystemdMachine, tmp_path: Path) -> Host:
    """A machine with the program in it."""
    return Host(machine, tmp_path)


def test_rules_are_planned_applied_dropped_and_taken_away(host: Host) -> None:
    machine = host.machine
    before = take_snapshot(machine)
    first, second = host.bring(FIRST), host.bring(SECOND)

    plan = host.run("plan", first)
    assert "+ /var/lib/sm-data (folder, mode 0750, owner 1:4)" in plan
    assert "+ /run/sm-link -> /var/lib/sm-data" in plan
    made = {c["path"] for c in host.json("plan", first)["tmpfiles"]["changes"]}
    host.run("activate", first)
    assert "/var/lib/sm-empty" in made
    for path in made:
        machine.succeed(f"test -e {path} -o -L {path}")
    assert machine.succeed("stat -c '%a %U:%G' /var/lib/sm-data") == "750 daemon:adm\n"
    assert machine.succeed("cat /var/lib/sm-data/note") == "hello"
    assert machine.succeed("readlink -f /run/current-system") == f"{first}\n"
    assert "No changes" in host.run("activate", first)

    plan = host.run("plan", second)
    assert "- /var/lib/sm-empty/inner" in plan
    assert "pointed to /var/lib/sm-data, will point to /var/lib/sm-empty" in plan
    host.run("activate", second)
    machine.fail("test -e /var/lib/sm-empty")
    assert machine.succeed("readlink /run/sm-link") == "/var/lib/sm-empty\n"

    host.run("deactivate")
    assert machine.succeed("cat /var/lib/sm-data/note") == "hello"
    for path in ("/run/sm-link", "/run/current-system", "/run/sm-pipe", "/var/lib/sm-blocked"):
        machine.fail(f"test -e {path} -o -L {path}")
    assert_same(before, take_snapshot(machine))


def test_what_is_in_the_way_is_told_and_nothing_is_lost(host: Host) -> None:
    machine = host.machine
    machine.succeed("echo theirs >/var/lib/sm-blocked")
    first, lost = host.bring(FIRST), host.bring(LOST)
    # systemd-tmpfiles itself only logs this, and exits with 0.
    assert "/var/lib/sm-blocked is a file already" in host.run("plan", first)
    assert "/var/lib/sm-blocked is a file already" in host.run("activate", first, expect=4)
    refusal = host.run("activate", lost, expect=1)
    assert "! /var/lib/sm-blocked is a file that the tmpfiles rule" in refusal
    host.run("deactivate")
    assert machine.succeed("cat /var/lib/sm-blocked") == "theirs\n"


def test_the_distributions_rules_are_respected(host: Host) -> None:
    machine = host.machine
    machine.succeed("mkdir -p /usr/lib/tmpfiles.d; echo 'd /run/sm-theirs 0700' >/usr/lib/tmpfiles.d/sm-theirs.conf")
    early = '{ ... }: { systemd.tmpfiles.rules = [ "d /run/sm-theirs 0711 root root -" ]; }'
    late = '{ ... }: { systemd.tmpfiles.settings.zz."/run/sm-theirs".d.mode = "0711"; }'
    plan = host.run("plan", host.bring(early))
    assert "/run/sm-theirs overrides the rule of /usr/lib/tmpfiles.d/sm-theirs.conf" in plan
    toplevel = host.bring(late)
    assert "/run/sm-theirs has no effect" in host.run("plan", toplevel)
    host.run("activate", toplevel)
    machine.fail("test -e /run/sm-theirs")
    host.run("activate", host.bring(early))
    assert machine.succeed("stat -c %a /run/sm-theirs") == "711\n"
    # The distribution still asks for it.
    host.run("activate", host.bring(NOTHING))
    machine.succeed("test -d /run/sm-theirs")
    host.run("deactivate")
