"""The host's name, zone, locale and keyboard, as the distribution's own programs tell them."""

from __future__ import annotations

from pathlib import Path

from api.systemd_api import SystemdMachine
from judges.snapshot import assert_same, take_snapshot
from program.host import Host

WITH_ALL = """
{ lib, ... }: {
  networking.hostName = "web-1";
  time.timeZone = lib.mkDefault "Asia/Kolkata";
  i18n.defaultLocale = "C.UTF-8";
  i18n.extraLocaleSettings.LC_TIME = "POSIX";
  console.keyMap = "de-latin1-nodeadkeys";
}
"""
WITH_ANOTHER_NAME = '{ networking.hostName = "web-2"; }'


def facts(machine: SystemdMachine) -> dict[str, str]:
    """What programs say of the host now."""
    commands = {
        "name": "hostname",
        "static name": "hostnamectl --static",
        # What timedatectl asks reads the zone when it starts, and ends half a minute after the last question.
        "zone": "systemctl stop systemd-timedated && timedatectl show -p Timezone --value",
        "clock": "date -d @0 +%H:%M",
        "clock of a service": "systemd-run --pipe --wait -q date -d @0 +%H:%M",
        "locale": "localectl status | grep -E 'LANG|LC_' || true",
        "layout": "localectl status | grep -E 'X11 (Layout|Variant)' || true",
    }
    return {name: machine.succeed(command).strip() for name, command in commands.items()}


def test_name_zone_locale_and_keyboard_are_the_distributions_own_and_come_back(
    machine: SystemdMachine, tmp_path: Path
) -> None:
    machine.succeed("hostnamectl set-hostname old-name && test $(hostname) = old-name")
    machine.succeed("timedatectl set-timezone Etc/UTC")
    machine.succeed("printf '127.0.0.1 localhost\\n127.0.1.1 old-name\\n' >/etc/hosts")
    before, at_first = facts(machine), take_snapshot(machine)
    host = Host(machine, tmp_path)

    toplevel = host.bring(WITH_ALL)
    plan = host.run("plan", toplevel)
    assert "~ networking.hostName: old-name -> web-1  (the running host)" in plan, plan
    assert "-> Asia/Kolkata  (/etc/localtime)" in plan, plan
    host.run("register", toplevel)
    host.run("activate", toplevel)
    found = facts(machine)
    assert found["name"] == found["static name"] == "web-1", found
    assert found["zone"] == "Asia/Kolkata", found
    # Five and a half hours east of Greenwich.
    assert found["clock"] == found["clock of a service"] == "05:30", found
    assert "LANG=C.UTF-8" in found["locale"] and "LC_TIME=POSIX" in found["locale"], found
    assert "de" in found["layout"] and "nodeadkeys" in found["layout"], found
    assert "web-1" in machine.succeed("getent hosts web-1")
    assert "LC_TIME=POSIX" in machine.succeed("su - -c env root"), "a login has it"
    assert "No changes" in host.run("activate", toplevel)
    assert "drift" not in host.run("status")

    machine.succeed("hostname by-hand && timedatectl set-timezone Europe/Rome")
    status = host.run("status")
    assert "drift: this host has been renamed to `by-hand`, but should be `web-1`" in status, status
    assert "drift: /etc/localtime was changed by hand" in status, status
    assert host.json("status")["nameDrift"]["from"] == "by-hand"
    host.run("activate", toplevel)
    assert facts(machine) == found, "and is put right"

    # What is not set any more comes back, and what is set another way is followed.
    host.switch(WITH_ANOTHER_NAME)
    second = facts(machine)
    assert second["name"] == second["static name"] == "web-2", second
    rest = {name: value for name, value in second.items() if "name" not in name}
    assert rest == {name: value for name, value in before.items() if "name" not in name}
    host.run("rollback")
    assert facts(machine) == found

    refused = host.switch('{ time.timeZone = "Asia/Nowhere"; }', expect=1)
    assert "timedatectl list-timezones" in refused, refused
    host.run("deactivate")
    assert facts(machine) == before
    assert_same(at_first, take_snapshot(machine))


def test_a_name_holds_over_a_reboot_and_a_missing_locale_is_told(machine: SystemdMachine, tmp_path: Path) -> None:
    host = Host(machine, tmp_path)
    before = machine.succeed("hostname")
    toplevel = host.bring('{ networking.hostName = "web-1"; i18n.defaultLocale = "tlh_QO.UTF-8"; }')
    plan = host.run("plan", toplevel)
    assert "does not have the locale `tlh_QO.UTF-8`" in plan and "locale-gen" in plan, plan
    host.run("register", toplevel)
    host.run("activate", toplevel)
    machine.reboot()
    assert machine.succeed("hostname") == "web-1\n"
    assert "drift" not in host.run("status")
    host.run("deactivate")
    assert machine.succeed("hostname") == before
