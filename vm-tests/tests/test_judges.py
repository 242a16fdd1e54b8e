"""The judges: a snapshot sees every kind of change, and the verdict every new complaint."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from base.errors import MachineError, RequestedAssertionFailed
from conftest import MakeMachine
from judges.snapshot import assert_same, differences, take_snapshot
from judges.verdict import changed_files, complaints, judge, verdict
from kinds import missing
from program.closure import push_binary
from program.host import VM_TESTS

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
        ("echo changed >>/etc/skel/.bashrc", "changed conffile: /etc/skel/.bashrc"),
        ("rm /etc/skel/.bashrc", "changed conffile: /etc/skel/.bashrc"),
    ],
)
@pytest.mark.leaves("pwck: ", "grpck: ", "unit: bad.service", "conffile: /etc/skel/.bashrc", why="it is the damage")
def test_verdict_names_new_damage(machine: SystemdMachine, damage: str, complaint: str) -> None:
    baseline = judge(machine)
    machine.succeed(damage)
    with pytest.raises(RequestedAssertionFailed, match=complaint):
        verdict(machine, baseline)


@pytest.mark.leaves("changed conffile: /etc/skel/.bashrc", why="it is the damage")
def test_verdict_names_every_changed_file_of_a_package_when_it_is_complete(
    make_machine: MakeMachine, machine_kind: str
) -> None:
    if lacking := missing(machine_kind, "debian-12"):
        pytest.skip(lacking)
    machine = make_machine(image="debian-12")
    baseline = judge(machine, complete=True)
    machine.succeed("echo changed >>/usr/share/common-licenses/GPL-3; echo changed >>/etc/skel/.bashrc")
    damage = ["changed conffile: /etc/skel/.bashrc", "changed packaged file: /usr/share/common-licenses/GPL-3"]
    assert complaints(judge(machine, complete=True), baseline) == damage
    assert complaints(judge(machine), baseline) == damage[:1]


@pytest.mark.kinds("container")
@pytest.mark.parametrize(
    "breakage",
    [
        "echo garbage >>/var/lib/dpkg/status",
        "printf '#!/bin/sh\\nexit 1\\n' >/usr/local/bin/systemctl; chmod 755 /usr/local/bin/systemctl",
    ],
)
def test_judge_that_can_not_be_asked_is_not_silent(machine: SystemdMachine, breakage: str) -> None:
    machine.succeed("cp /var/lib/dpkg/status /tmp/status", breakage)
    with pytest.raises(MachineError, match="one of the judges can't be asked"):
        judge(machine)
    machine.succeed("cp /tmp/status /var/lib/dpkg/status; rm -f /usr/local/bin/systemctl")


def test_verdict_names_bad_units(machine: SystemdMachine) -> None:
    baseline = judge(machine)
    machine.succeed("printf '[Service]\\nExecStart=/no/such/program\\n' >/etc/systemd/system/bad.service")
    with pytest.raises(RequestedAssertionFailed, match=r"systemd-analyze: .*bad\.service"):
        verdict(machine, baseline, units=["bad.service"])


_WATCHED = """
import pytest

def test_damages(machine):
    machine.succeed("echo changed >>/etc/skel/.bashrc; systemd-run --wait --unit=bad /bin/false || true")

@pytest.mark.leaves("unit: bad.service", why="it is to fail")
@pytest.mark.leaves("conffile: /etc/skel/.bashrc", why="it is changed on purpose")
def test_damages_on_purpose(machine):
    test_damages(machine)

def test_fails_by_itself(machine):
    test_damages(machine)
    assert False

def test_is_off_in_the_end(machine):
    test_damages(machine)
    machine.crash()
"""


@pytest.mark.kinds("container")
def test_every_test_of_a_machine_ends_with_the_verdict(machine_kind: str, tmp_path: Path) -> None:
    (tmp_path / "test_watched.py").write_text(_WATCHED)
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "conftest", "--kind", machine_kind]
    argv += ["-c", str(VM_TESTS / "pyproject.toml"), "--rootdir", str(tmp_path), str(tmp_path / "test_watched.py")]
    done = subprocess.run(
        argv,
        cwd=Path(__file__).parent,
        env={**os.environ, "PYTHONPATH": str(VM_TESTS)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "1 failed, 3 passed, 1 error" in done.stdout
    assert re.search(r"^ERROR \S*test_watched\.py::test_damages\[container\]", done.stdout, re.MULTILINE)
    assert "failed unit: bad.service\nE           changed conffile: /etc/skel/.bashrc\n" in done.stdout


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
        ("??5??????   /usr/bin/other", "/usr/bin/other", "what dpkg says"),
        ("..?......  c /etc/shadow", None, "it could not be read"),
        ("Unsatisfied dependencies for x:", None, "no file at all"),
    ],
)
def test_reports_of_package_managers_are_read(line: str, changed: str | None, why: str) -> None:
    assert changed_files(f"{line}\n") == ({changed} if changed else set()), why
    assert changed_files(f"{line}\n", configuration=True) == ({changed} if changed and "  c /" in line else set()), why
