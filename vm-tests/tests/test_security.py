"""Security modules in force: what is written has the label that the policy wants, and profiles stay what they were."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from conftest import MakeMachine
from judges.snapshot import ACCOUNT_BACKUPS, assert_same, take_snapshot
from judges.verdict import judge, verdict
from program.host import Host

pytestmark = [pytest.mark.kinds("uml"), pytest.mark.timeout(1800)]

_IMAGE = "debian-12-security"

# Files that the policy labels each in its own way.
_CONFIGURATION = """
{ pkgs, ... }: {
  environment.etc."sm/deep/file".text = "VERSION\\n";
  environment.etc."cron.d/sm" = { text = "# VERSION\\n"; mode = "0644"; };
  environment.etc."profile.d/sm.sh".text = "# VERSION\\n";
  environment.etc."ssh/ssh_host_sm_key" = { text = "VERSION\\n"; mode = "0600"; };
  networking.hosts."127.0.0.9" = [ "sm-VERSION" ];
  users.users.sm-user = { isSystemUser = true; group = "sm-user"; };
  users.groups.sm-user = { };
  systemd.tmpfiles.rules = [ "d /var/lib/sm-data 0750 sm-user sm-user -" ];
  systemd.services.sm-daemon = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig.ExecStart = "/bin/sleep infinity";
    environment.VERSION = "VERSION";
  };
}
"""


@pytest.fixture
def security_machine(make_machine: MakeMachine, request: pytest.FixtureRequest) -> SystemdMachine:
    """A machine whose kernel enforces the module that the test names."""
    return make_machine(image=_IMAGE, kernel_options=(f"security={request.param}", "enforcing=1"))


def _labels(machine: SystemdMachine, paths: list[str], command: str) -> dict[str, str]:
    lines = machine.succeed(f"{command} {shlex.join(paths)}").splitlines()
    return dict(zip(paths, (line.split()[0] for line in lines), strict=True))


def _denials(machine: SystemdMachine) -> list[str]:
    lines = machine.succeed("dmesg | grep -E 'avc: +denied' || true").splitlines()
    return [line for line in lines if "system-manager" in line or "/nix/store" in line]


@pytest.mark.parametrize("security_machine", ["selinux"], indirect=True)
def test_selinux_finds_each_file_labelled_and_nothing_to_deny(security_machine: SystemdMachine, tmp_path: Path) -> None:
    machine = security_machine
    machine.wait_for_unit("multi-user.target")
    assert machine.succeed("getenforce") == "Enforcing\n"
    host = Host(machine, tmp_path)
    before, baseline = take_snapshot(machine), judge(machine)
    for version in ("one", "two"):
        host.switch(_CONFIGURATION.replace("VERSION", version))
        machine.wait_for_unit("sm-daemon.service")
        after = take_snapshot(machine)
        written = [f"/etc/{path}" for path in after if after[path] != before.get(path)]
        assert {"/etc/sm/deep/file", "/etc/shadow", "/etc/hosts"} <= {*written}
        written += machine.succeed("find /var/lib/system-manager").split()
        assert _labels(machine, written, "stat -c %C") == _labels(machine, written, "matchpathcon -n")
    assert _denials(machine) == []
    host.run("deactivate")
    assert_same(before, take_snapshot(machine), ignore=ACCOUNT_BACKUPS)
    assert _denials(machine) == []
    verdict(machine, baseline)


@pytest.mark.parametrize("security_machine", ["apparmor"], indirect=True)
def test_apparmor_profiles_stay_as_they_were(security_machine: SystemdMachine, tmp_path: Path) -> None:
    machine = security_machine
    machine.wait_for_unit("multi-user.target")
    host = Host(machine, tmp_path)
    before, baseline = take_snapshot(machine), judge(machine)
    machine.succeed("systemctl start apparmor.service")
    profiles = machine.succeed("aa-status --json | grep -o '\"profiles\": {[^}]*}'")
    assert "enforce" in profiles
    host.switch(_CONFIGURATION.replace("VERSION", "one"))
    machine.wait_for_unit("sm-daemon.service")
    host.run("deactivate")
    assert machine.succeed("aa-status --json | grep -o '\"profiles\": {[^}]*}'") == profiles
    machine.fail("dmesg | grep 'apparmor=\"DENIED\"'")
    assert_same(before, take_snapshot(machine), ignore=ACCOUNT_BACKUPS)
    verdict(machine, baseline)
