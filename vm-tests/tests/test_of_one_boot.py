"""What is of this boot only, and what is placed for the next one."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from judges.snapshot import ACCOUNT_BACKUPS, SUBID_BACKUPS, assert_same, take_snapshot
from program.host import Host


@pytest.fixture
def host(machine: SystemdMachine, tmp_path: Path) -> Host:
    """A machine with the program in it."""
    return Host(machine, tmp_path)


def configuration(text: str, account: str = "") -> str:
    """A file that replaces one, a service, and perhaps an account."""
    return f"""
    {{
      environment.etc."motd" = {{ text = "{text}\\n"; replaceExisting = true; }};
      systemd.services.app = {{
        wantedBy = [ "multi-user.target" ];
        serviceConfig.ExecStart = "/bin/sleep {len(text)}d";
      }};
      {account}
    }}
    """


BACKUPS = ACCOUNT_BACKUPS + SUBID_BACKUPS
ACCOUNT = "users.users.operator = { isNormalUser = true; createHome = false; };"
STORED = "find /etc /var/lib/system-manager -xdev -newer /root/before ! -type d ! -name lock"


def test_what_is_of_this_boot_only_is_gone_after_a_reboot(host: Host) -> None:
    machine = host.machine
    before = take_snapshot(machine)
    toplevel = host.bring(configuration("trial", ACCOUNT))
    plan = host.run("plan", "--ephemeral", toplevel)
    assert "until the next reboot only" in plan and "+ /etc/systemd/system/app.service" in plan, plan
    assert host.json("plan", "--ephemeral", toplevel)["ephemeral"] == "begins"
    assert_same(before, take_snapshot(machine), ignore=BACKUPS)

    machine.succeed("touch /root/before && sync")
    assert "not a generation" in host.run("switch", "--ephemeral", toplevel)
    assert machine.succeed("cat /etc/motd") == "trial\n"
    machine.succeed("systemctl is-active app.service", "getent passwd operator")
    # It is in /run, and nowhere else.
    machine.succeed("test -e /run/system-manager/ephemeral/etc/upper/systemd/system/app.service")
    beneath = "unshare --mount sh -c 'umount --lazy /etc /var/lib/system-manager && {}'"
    assert machine.succeed(beneath.format(STORED)) == ""
    status = host.json("status")
    assert status["ephemeral"] and status["active"] == toplevel and status["generation"] is None
    assert "until the next reboot only" in host.run("status")
    assert "No changes" in host.run("plan", "--ephemeral", toplevel)
    # What is to last would go with it.
    refused = host.run("switch", toplevel, expect=1)
    assert "is temporary" in refused and "system-manager deactivate" in refused, refused

    machine.reboot()
    assert_same(before, take_snapshot(machine), ignore=BACKUPS)
    machine.fail("systemctl cat app.service", "getent passwd operator")
    assert "nothing is active" in host.run("status")


def test_what_is_of_this_boot_only_ends_with_deactivate(host: Host) -> None:
    machine = host.machine
    before = take_snapshot(machine)
    lasting = host.bring(configuration("lasting"))
    host.run("switch", lasting)
    pid = host.pid("app.service")
    lasts = take_snapshot(machine)

    host.run("switch", "--ephemeral", host.bring(configuration("trial", ACCOUNT)))
    host.run("switch", "--ephemeral", host.bring(configuration("again", ACCOUNT)))
    assert machine.succeed("cat /etc/motd") == "again\n"
    assert host.pid("app.service") != pid
    plan = host.run("plan", "--deactivate")
    assert lasting in plan and "the temporary configuration ends" in plan, plan
    host.run("deactivate")
    assert_same(lasts, take_snapshot(machine), ignore=BACKUPS)
    assert machine.succeed("systemctl show --property ExecStart app.service").count("7d")
    machine.fail("findmnt /etc", "ls -d /run/system-manager/ephemeral*")
    status = host.json("status")
    assert not status["ephemeral"] and status["active"] == lasting and status["generation"] == 1
    assert "No changes" in host.run("plan", lasting)
    host.run("deactivate")
    assert_same(before, take_snapshot(machine), ignore=BACKUPS)


def test_what_others_write_meanwhile_is_told_and_kept(host: Host) -> None:
    machine = host.machine
    host.run("switch", "--ephemeral", host.bring(configuration("trial")))
    machine.succeed("echo mine >/etc/others")
    told = host.run("deactivate")
    assert "/etc/others" in told and "/run/system-manager/ephemeral-left-1" in told, told
    machine.fail("test -e /etc/others")
    assert machine.succeed("cat /run/system-manager/ephemeral-left-1/etc/upper/others") == "mine\n"


def test_what_run_can_not_serve_is_refused_by_name(host: Host) -> None:
    machine = host.machine
    before = take_snapshot(machine)
    toplevel = host.bring(
        """
        {
          systemd.tmpfiles.rules = [ "d /var/lib/app 0755 root root" "d /run/app 0755 root root" ];
          users.users.operator = { isNormalUser = true; linger = true; };
        }
        """
    )
    machine.succeed("touch /etc/mounted && mount --bind /etc/hostname /etc/mounted")
    refused = host.run("switch", "--ephemeral", toplevel, expect=1)
    for path in ["/var/lib/app", "/home/operator", "/var/lib/systemd/linger/operator"]:
        assert f"! {path} is outside /run and /etc" in refused, refused
    assert "! /etc/mounted is a mount point" in refused, refused
    assert "/run/app is outside" not in refused, refused
    machine.succeed("umount /etc/mounted && rm /etc/mounted")
    assert_same(before, take_snapshot(machine), ignore=BACKUPS)
    machine.fail("findmnt /etc")


def test_what_is_placed_starts_with_the_next_boot(host: Host) -> None:
    machine = host.machine
    before = take_snapshot(machine)
    toplevel = host.bring(configuration("placed", ACCOUNT))
    plan = host.run("pre-populate", "--dry-run", toplevel)
    assert "for the next boot" in plan and "start   app.service" in plan, plan
    assert_same(before, take_snapshot(machine), ignore=BACKUPS)
    done = host.json("pre-populate", toplevel)
    assert done["jobs"] == [] and done["pending"]["start"] == ["app.service"], done
    assert machine.succeed("cat /etc/motd") == "placed\n"
    machine.succeed("getent passwd operator", "test -L /etc/systemd/system/app.service")
    machine.fail("systemctl is-active app.service")
    status = host.json("status")
    assert status["waitsForBoot"] and status["generation"] == 1, status
    assert "installed for the next boot" in host.run("status")
    assert "No changes" in host.run("pre-populate", "--dry-run", toplevel)

    machine.reboot()
    machine.wait_for_unit("app.service")
    status = host.json("status")
    assert not status["waitsForBoot"] and status["pending"] == [], status
    assert "No changes" in host.run("plan", toplevel)
    host.run("deactivate")
    machine.fail("systemctl is-active app.service")
    assert_same(before, take_snapshot(machine), ignore=BACKUPS)


def test_what_is_placed_starts_with_a_switch(host: Host) -> None:
    machine = host.machine
    host.run("switch", host.bring(configuration("first")))
    pid = host.pid("app.service")
    toplevel = host.bring(configuration("second").replace("services.app", "services.other"))
    host.run("pre-populate", toplevel)
    # What runs stays, though its file has gone.
    assert host.pid("app.service") == pid
    machine.fail("systemctl is-active other.service")
    plan = host.run("plan", toplevel)
    assert "stop    app.service" in plan and "start   other.service" in plan, plan
    host.run("switch", toplevel)
    machine.fail("systemctl is-active app.service")
    machine.succeed("systemctl is-active other.service")
    assert not host.json("status")["waitsForBoot"]
