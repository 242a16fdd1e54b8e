"""Users and groups on a real machine: log in, linger, own files, change hands, and go without a trace."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from judges.snapshot import ACCOUNT_BACKUPS, SUBID_BACKUPS, assert_same, take_snapshot
from judges.verdict import judge, verdict
from program.host import Host

FIRST = """
{ ... }: {
  users.users.alice = {
    isNormalUser = true;
    description = "Alice";
    initialPassword = "first secret";
    extraGroups = [ "adm" "team" ];
    linger = true;
  };
  users.users.app = { isSystemUser = true; group = "app"; };
  users.groups.app = { };
  users.groups.team.gid = 33;
  environment.etc."app/secret" = { text = "app's\\n"; mode = "0640"; user = "app"; group = "app"; };
  systemd.services.app = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig = { ExecStart = "/bin/sleep infinity"; User = "app"; };
  };
}
"""

SECOND = """
{ ... }: {
  users.mutableUsers = false;
  users.users.alice = { isNormalUser = true; password = "second secret"; expires = "2090-01-01"; };
  users.users.root.shell = "/bin/sh";
  users.allowNoPasswordLogin = true;
}
"""


@pytest.fixture
def host(machine: SystemdMachine, tmp_path: Path) -> Host:
    """A machine with the program in it."""
    return Host(machine, tmp_path)


def logs_in(machine: SystemdMachine, user: str, password: str) -> bool:
    """Whether somebody without rights becomes `user` with this password."""
    become = f"su nobody -s /bin/sh -c 'su {user} -c \"id -un\"'"
    status, output = machine.execute(f"printf '%s\\n' {shlex.quote(password)} | {become} 2>&1")
    return status == 0 and output.strip().endswith(user)


def test_accounts_come_work_change_and_go(host: Host) -> None:
    machine = host.machine
    before, baseline = take_snapshot(machine), judge(machine)
    output = host.switch(FIRST)
    assert "first secret" not in output

    assert machine.succeed("id -nG alice").split() == ["users", "adm", "team"]
    assert machine.succeed("su - alice -c 'pwd; id -un'") == "/home/alice\nalice\n"
    assert machine.succeed("stat -c '%a %U:%G' /home/alice") == "700 alice:users\n"
    assert logs_in(machine, "alice", "first secret")
    assert not logs_in(machine, "alice", "second secret")
    assert machine.succeed("loginctl show-user alice -P Linger") == "yes\n"
    uid = machine.succeed("id -u alice").strip()
    machine.wait_for_unit(f"user@{uid}.service")
    assert machine.succeed("stat -c '%a %U:%G' /etc/app/secret") == "640 app:app\n"
    assert machine.succeed(f"stat -c %U /proc/{host.pid('app.service')}") == "app\n"
    assert machine.succeed("getent group team").split(":")[2] != "33", "the distribution's id is not given away"
    assert "No changes" in host.run("activate")
    verdict(machine, baseline, ["app.service"])

    # An administrator goes on working with the same files.
    machine.succeed("useradd --create-home bob && usermod --append --groups team bob")
    machine.succeed("echo 'alice:her own' | chpasswd")
    assert "No changes" in host.run("activate")
    assert logs_in(machine, "alice", "her own")

    host.switch(SECOND)
    assert logs_in(machine, "alice", "second secret")
    assert not logs_in(machine, "alice", "her own")
    assert machine.succeed("getent passwd root").strip().endswith(":/bin/sh")
    assert machine.succeed("id -u alice").strip() == uid
    machine.fail("id app")
    machine.succeed("id bob")
    verdict(machine, baseline)

    host.run("rollback")
    assert machine.succeed("id -u alice").strip() == uid
    machine.succeed("id app")

    code, output = machine.execute("SUDO_USER=alice system-manager deactivate 2>&1")
    assert code == 1 and "would be removed" in output, output

    host.run("deactivate")
    machine.fail("id alice")
    assert "yes" not in machine.execute("loginctl show-user alice -P Linger 2>/dev/null")[1]
    machine.succeed("test -d /home/alice")
    machine.succeed("id bob")
    verdict(machine, baseline)
    machine.succeed("userdel --remove bob")
    assert_same(before, take_snapshot(machine), [*ACCOUNT_BACKUPS, *SUBID_BACKUPS])


SECRETS = """
{ lib, ... }: {
  system.activationScripts.secrets = ''
    mkdir -p /run/secrets && chmod 755 /run/secrets
    echo 'HASH' >/run/secrets/carol
  '';
  system.activationScripts.users.deps = [ "secrets" ];
  system.activationScripts.give = {
    deps = [ "users" "secrets" ];
    text = "chown carol /run/secrets/carol; chmod 400 /run/secrets/carol";
  };
  users.users.carol = { isNormalUser = true; hashedPasswordFile = "/run/secrets/carol"; };
}
"""


def test_a_password_is_read_from_a_secret_that_a_script_of_the_same_switch_has_made(host: Host) -> None:
    machine = host.machine
    before, baseline = take_snapshot(machine), judge(machine)
    configuration = SECRETS.replace("HASH", machine.succeed("openssl passwd -6 'her secret'").strip())
    toplevel = host.bring(configuration)
    late = "the password of user `carol` is read from /run/secrets/carol once the scripts before accounts have run"
    assert late in host.run("plan", toplevel)
    assert "warning" not in host.switch(configuration)
    assert logs_in(machine, "carol", "her secret")
    assert machine.succeed("stat -c '%a %U' /run/secrets/carol") == "400 carol\n"
    assert "No changes: the host is as the configuration says." in host.run("activate")
    verdict(machine, baseline)
    host.run("deactivate")
    machine.succeed("rm -r /run/secrets")
    assert_same(before, take_snapshot(machine), [*ACCOUNT_BACKUPS, *SUBID_BACKUPS])


ROOT = """
{ pkgs, ... }: {
  users.mutableUsers = false;
  users.users.root.hashedPassword = "HASH";
}
"""

LOCKED = """
{ ... }: {
  users.mutableUsers = false;
  users.users.root.hashedPassword = "!";
  users.allowNoPasswordLogin = true;
}
"""

NOTHING = '{ ... }: { environment.etc."other".text = "x"; }'


@pytest.mark.parametrize("way", ["without", "locked", "rollback", "deactivate"])
def test_a_root_that_was_locked_gets_a_password_and_is_locked_again(host: Host, way: str) -> None:
    machine = host.machine
    machine.succeed("usermod --password '*' root")
    shadow = machine.succeed("stat -c '%a %U:%G' /etc/shadow; cat /etc/shadow")
    assert not logs_in(machine, "root", "of root")
    host.switch(NOTHING)

    hashed = machine.succeed("printf 'of root' | openssl passwd -6 -stdin").strip()
    host.switch(ROOT.replace("HASH", hashed))
    assert logs_in(machine, "root", "of root")
    assert machine.succeed("getent shadow root").split(":")[1] == hashed

    if way == "without":
        output = host.switch(NOTHING)
        assert "root will no longer have a password" in output
    elif way == "locked":
        host.switch(LOCKED)
    elif way == "rollback":
        host.run("rollback")
    if way != "deactivate":
        assert not logs_in(machine, "root", "of root")
        assert "No changes" in host.run("activate")
    host.run("deactivate")
    assert machine.succeed("stat -c '%a %U:%G' /etc/shadow; cat /etc/shadow") == shadow
    assert not logs_in(machine, "root", "of root")
