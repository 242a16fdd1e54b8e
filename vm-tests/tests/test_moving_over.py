"""What those find who come from numtide/system-manager: its habits at the command line."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from api.systemd_api import SystemdMachine
from judges.snapshot import ACCOUNT_BACKUPS, SUBID_BACKUPS, assert_same, take_snapshot
from program.host import PROJECT, Host

SERVICE = """
{ systemd.services.app = { wantedBy = [ "multi-user.target" ]; serviceConfig.ExecStart = "/bin/sleep infinity"; }; }
"""


def test_an_ordinary_user_switches_by_sudo(practice_host: Host) -> None:
    host = practice_host
    machine = host.machine
    before = take_snapshot(machine)
    machine.succeed(
        "useradd --create-home --shell /bin/bash builder",
        "echo 'builder ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/builder",
    )
    toplevel = host.bring(SERVICE)
    as_builder = "runuser -u builder -- system-manager {}"
    refused = machine.fail(as_builder.format(f"switch {toplevel} 2>&1"))
    assert "this must run as root" in refused, refused
    machine.succeed(as_builder.format(f"switch --sudo {toplevel} --message hello"))
    machine.succeed("systemctl is-active app.service")
    assert "hello" in host.run("generations")
    machine.succeed(as_builder.format("--use-remote-sudo deactivate"))
    machine.fail("systemctl is-active app.service")
    machine.succeed("rm /etc/sudoers.d/builder", "userdel --remove builder")
    assert_same(before, take_snapshot(machine), ignore=ACCOUNT_BACKUPS + SUBID_BACKUPS)


def test_lines_of_tests_do_what_their_names_say(machine: SystemdMachine, tmp_path: Path) -> None:
    host = Host(machine, tmp_path)
    toplevel = host.bring(SERVICE)

    def run(name: str, action: str = "") -> None:
        arguments = f'{{ node = "machine"; profile = "{toplevel}"; {action} }}'
        expression = f"(import {PROJECT} {{ }}).lib.{name} {arguments}"
        argv = ["nix-instantiate", "--eval", "--json", "--expr", expression]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
        line = re.fullmatch(r'machine\.succeed\("(.*)"\)\n', json.loads(done.stdout))
        assert line, done.stdout
        machine.succeed(line[1])

    run("prepopulateProfileSnippet")
    machine.succeed("test -L /etc/systemd/system/app.service")
    machine.fail("systemctl is-active app.service")
    run("activateProfileSnippet")
    machine.succeed("systemctl is-active app.service")
    run("mkTestPreamble", 'action = "status";')
    for action in ("deactivate", "prepopulate", "activate"):
        run("mkTestPreamble", f'action = "{action}";')
    machine.succeed("systemctl is-active app.service")
    run("deactivateProfileSnippet")
    machine.fail("systemctl cat app.service")


LATEST = "/var/lib/deployments/latest"
UPGRADE = """
{
  environment.etc."version".text = "%s";
  systemd.services.app = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig.ExecStart = "%s";
    serviceConfig.Type = "oneshot";
    serviceConfig.RemainAfterExit = true;
  };
  system.autoUpgrade = {
    enable = true;
    toplevel = "/var/lib/deployments/latest";
    rollbackOnFailure = true;
    allowReboot = true;
    dates = "yearly";
  };
}
"""
JOURNAL = "journalctl --unit system-manager-upgrade.service --output cat"


def deploy(machine: SystemdMachine, toplevel: str) -> None:
    """Brings a link to where the timer's service looks."""
    machine.succeed(f"mkdir -p /var/lib/deployments && ln -sfn {toplevel} {LATEST}")


def test_a_timer_switches_to_the_toplevel_that_was_copied(machine: SystemdMachine, tmp_path: Path) -> None:
    host = Host(machine, tmp_path)
    host.run("switch", host.bring(UPGRADE % ("one", "/bin/true")))
    assert "system-manager-upgrade.timer" in host.run("status")

    # While another run is under way, it waits for that.
    deploy(machine, host.bring(UPGRADE % ("two", "/bin/true")))
    machine.succeed("(flock 9; echo held >/run/held; sleep 3) 9<>/var/lib/system-manager/lock >/dev/null 2>&1 &")
    machine.wait_for_file("/run/held")
    machine.succeed("systemctl start system-manager-upgrade.service")
    assert machine.succeed("cat /etc/version") == "two"
    journal = machine.succeed(JOURNAL)
    assert "waiting for" in journal and "Generation 2 is active" in journal, journal

    # One that fails goes back, and is told.
    deploy(machine, host.bring(UPGRADE % ("three", "/bin/false")))
    machine.fail("systemctl start system-manager-upgrade.service")
    assert machine.succeed("cat /etc/version") == "two"
    journal = machine.succeed(JOURNAL)
    assert "the switch failed, and what was active before is active again" in journal, journal
    assert "system-manager-upgrade.service" in host.run("status")
    # The next one that is well makes it good, and the host has not rebooted.
    deploy(machine, host.bring(UPGRADE % ("four", "/bin/true")))
    machine.succeed("systemctl start system-manager-upgrade.service")
    assert machine.succeed("cat /etc/version") == "four"


SHELLS = """
{ pkgs, ... }:
{
  environment.systemPackages = [ pkgs.gnused ];
  environment.extraInit = "export SM_PROBE=there";
  users.users.alice = { isNormalUser = true; packages = [ pkgs.gnugrep ]; };
}
"""


def test_packages_and_code_of_shells_are_there_at_a_login(machine: SystemdMachine, tmp_path: Path) -> None:
    host = Host(machine, tmp_path)
    before = take_snapshot(machine)
    host.run("switch", host.bring(SHELLS))
    as_alice = "su - alice -c '{}'"
    assert machine.succeed(as_alice.format("command -v grep")) == "/etc/profiles/per-user/alice/bin/grep\n"
    assert machine.succeed(as_alice.format("command -v sed")) == "/run/system-manager/sw/bin/sed\n"
    assert machine.succeed(as_alice.format("echo a | grep a | sed s/a/b/")) == "b\n"
    assert machine.succeed("bash --login -c 'echo $SM_PROBE'") == "there\n"
    host.run("deactivate")
    assert machine.succeed("bash --login -c 'echo $SM_PROBE'") == "\n"
    assert_same(before, take_snapshot(machine), ignore=ACCOUNT_BACKUPS + SUBID_BACKUPS)
