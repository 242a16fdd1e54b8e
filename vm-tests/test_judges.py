"""The judges: a snapshot sees every kind of change, and the verdict every new complaint."""

from __future__ import annotations

from pathlib import Path

import pytest

from closure import push_binary
from errors import RequestedAssertionFailed
from snapshot import assert_same, differences, take_snapshot
from systemd_api import SystemdMachine
from verdict import changed_by_rpm, judge, verdict

pytestmark = pytest.mark.kinds("container", "uml", "qemu")

_PREPARE = """
mkdir -p /etc/t/sub; cd /etc/t
for f in content mode owner xattr type gone; do echo same >$f; done
ln -s one link; setfattr -n user.note -v before xattr 2>/dev/null || python3 -c \
'import os; os.setxattr("xattr", "user.note", b"before")'
"""

_CHANGE = """
cd /etc/t
echo other >content; chmod 600 mode; chown daemon owner; ln -sfn two link; rm gone; rm type; mkdir type; mkfifo sub/new
python3 -c 'import os; os.setxattr("xattr", "user.note", b"after")'
"""


def test_snapshot_sees_every_kind_of_change(machine: SystemdMachine) -> None:
    machine.succeed(_PREPARE)
    before = take_snapshot(machine, "/etc/t", mtimes=False)
    assert_same(before, take_snapshot(machine, "/etc/t"))
    machine.succeed("touch /etc/t/content")
    assert_same(before, take_snapshot(machine, "/etc/t"))
    machine.succeed(_CHANGE)
    after = take_snapshot(machine, "/etc/t")
    lines = differences(before, after)
    assert [line.split(":")[0] for line in lines] == [
        "~ content",
        "- gone",
        "~ link",
        "~ mode",
        "~ owner",
        "+ sub/new",
        "~ type",
        "~ xattr",
    ]
    assert "mode 0644 -> 0600" in lines[3]
    assert "target one -> two" in lines[2]
    with pytest.raises(RequestedAssertionFailed, match="8 paths differ"):
        assert_same(before, after)
    assert differences(before, after, ignore=["*"]) == []


def test_snapshot_sees_times_when_asked(machine: SystemdMachine) -> None:
    machine.succeed("mkdir /etc/t; echo same >/etc/t/file")
    before = take_snapshot(machine, "/etc/t", mtimes=True)
    machine.succeed("touch -d @1000 /etc/t/file")
    assert len(differences(before, take_snapshot(machine, "/etc/t", mtimes=True))) == 1


def test_verdict_is_silent_when_nothing_is_wrong(machine: SystemdMachine) -> None:
    machine.wait_for_unit("multi-user.target")
    baseline = judge(machine)
    machine.succeed("useradd --system proper")
    verdict(machine, baseline, units=["dbus.service"])


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ("echo 'broken:x:12345:54321::/nonexistent:/bin/sh' >>/etc/passwd", "pwck: user 'broken'"),
        ("echo 'broken:x:12345:nobody-at-all' >>/etc/group", "grpck: group '?broken"),
        ("systemd-run --wait --unit=bad /bin/false || true", "failed unit: bad.service"),
        ("echo changed >>/etc/skel/.profile", "changed conffile: /etc/skel/.profile"),
        ("rm /etc/skel/.profile", "changed conffile: /etc/skel/.profile"),
    ],
)
def test_verdict_names_new_damage(machine: SystemdMachine, damage: str, complaint: str) -> None:
    baseline = judge(machine)
    machine.succeed(damage)
    with pytest.raises(RequestedAssertionFailed, match=complaint):
        verdict(machine, baseline)


def test_verdict_names_bad_units(machine: SystemdMachine) -> None:
    baseline = judge(machine)
    machine.succeed("printf '[Service]\\nExecStart=/no/such/program\\n' >/etc/systemd/system/bad.service")
    with pytest.raises(RequestedAssertionFailed, match=r"systemd-analyze: .*bad\.service"):
        verdict(machine, baseline, units=["bad.service"])


def test_pushed_program_runs(machine: SystemdMachine, tmp_path: Path) -> None:
    program = tmp_path / "greet"
    program.write_text("#!/bin/sh\necho hello\n")
    assert push_binary(machine, program) == "/usr/local/bin/greet"
    assert machine.succeed("greet") == "hello\n"


@pytest.mark.parametrize(
    ("line", "changed", "why"),
    [
        ("S.5....T.  c /etc/ssh/sshd_config", "/etc/ssh/sshd_config", "another digest"),
        (".......T.  c /etc/fstab", None, "only the time"),
        (".M....G..  g /var/log/lastlog", None, "mode and group"),
        ("missing   c /etc/issue", "/etc/issue", "it is gone"),
        ("missing     /etc/a file (Permission denied)", "/etc/a file", "with a space, and a reason"),
        ("..5......    /usr/bin/tool", "/usr/bin/tool", "no configuration file"),
        ("..?......  c /etc/shadow", None, "it could not be read"),
        ("Unsatisfied dependencies for x:", None, "no file at all"),
    ],
)
def test_reports_of_rpm_are_read(line: str, changed: str | None, why: str) -> None:
    assert changed_by_rpm(f"{line}\n") == ({changed} if changed else set()), why
