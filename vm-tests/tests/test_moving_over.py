"""What those find who come from numtide/system-manager: its habits at the command line."""

from __future__ import annotations

from judges.snapshot import ACCOUNT_BACKUPS, SUBID_BACKUPS, assert_same, take_snapshot
from program.host import Host

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
