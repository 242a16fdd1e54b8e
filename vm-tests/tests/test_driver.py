"""The driver itself, on the fastest kind of machine: what it promises when all is well, and when it is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from shutil import which

import pytest

from api.systemd_api import SystemdMachine
from base.errors import MachineError, RequestedAssertionFailed
from base.log import subtest
from conftest import MakeMachine
from images.sandbox import children
from kinds import missing
from program.host import VM_TESTS

_FAILING = """\
[Service]
Type=oneshot
ExecStart=/bin/false
"""

_ALL_KINDS = pytest.mark.kinds("container", "uml", "qemu")


@_ALL_KINDS
def test_succeed_returns_what_all_commands_wrote(machine: SystemdMachine) -> None:
    assert machine.succeed("echo one", "echo two >&2; echo three") == "one\nthree\n"


@_ALL_KINDS
def test_commands_run_strictly_as_root_in_tmp(machine: SystemdMachine) -> None:
    assert machine.succeed("whoami; pwd; echo $HOME") == "root\n/tmp\n/root\n"
    assert machine.execute("false; echo not reached") == (1, "")
    assert machine.execute("false | true; echo not reached") == (1, "")
    assert machine.execute("echo $undefined; echo not reached")[1] == ""


@_ALL_KINDS
def test_succeed_and_fail_raise_on_the_opposite(machine: SystemdMachine) -> None:
    with pytest.raises(RequestedAssertionFailed, match=r"command `exit 7` failed \(exit code 7\)"):
        machine.succeed("exit 7")
    with pytest.raises(RequestedAssertionFailed, match="command `true` unexpectedly succeeded"):
        machine.fail("false", "true")
    assert machine.fail("echo why; exit 3") == "why\n"


@_ALL_KINDS
def test_execute_reports_status_without_raising(machine: SystemdMachine) -> None:
    assert machine.execute("echo out; exit 3") == (3, "out\n")
    assert machine.execute("echo out; exit 3", check_return=False) == (-1, "out\n")
    assert machine.execute("touch /tmp/started; sleep 60", check_output=False) == (-2, "")
    machine.wait_for_file("/tmp/started", timeout=10)


@_ALL_KINDS
def test_large_output_arrives_whole(machine: SystemdMachine) -> None:
    assert len(machine.succeed("head -c 3000000 /dev/zero | tr '\\0' x")) == 3000000


@_ALL_KINDS
def test_hanging_command_is_killed_at_its_limit(machine: SystemdMachine) -> None:
    machine.connect()
    begin = time.monotonic()
    status, _ = machine.execute("echo $$ >/tmp/pid; sleep 300", timeout=1)
    assert status == 124
    with pytest.raises(RequestedAssertionFailed, match="did not end within"):
        machine.succeed("sleep 300", timeout=1)
    assert time.monotonic() - begin < 10 * machine.time_factor
    machine.wait_until_fails("kill -0 $(cat /tmp/pid)", timeout=10)


@_ALL_KINDS
def test_daemon_that_keeps_the_output_open_delays_nothing(machine: SystemdMachine) -> None:
    machine.connect()
    begin = time.monotonic()
    assert machine.succeed("sleep 300 & echo started") == "started\n"
    assert time.monotonic() - begin < 10 * machine.time_factor


@_ALL_KINDS
def test_daemon_may_write_to_the_output_that_it_keeps(machine: SystemdMachine) -> None:
    machine.succeed("mkfifo /tmp/words; (cat /tmp/words | tee /tmp/heard &)")
    machine.succeed("echo hello >/tmp/words")
    machine.wait_until_succeeds("grep -q hello /tmp/heard", timeout=20)


@_ALL_KINDS
def test_dead_machine_is_neither_success_nor_failure(machine: SystemdMachine) -> None:
    machine.connect()
    machine.crash()
    assert not machine.is_up()
    for action in (machine.succeed, machine.fail, machine.wait_until_succeeds, machine.wait_until_fails):
        with pytest.raises(MachineError):
            action("false")
    with pytest.raises(MachineError):
        machine.execute("true")
    with pytest.raises(MachineError):
        machine.wait_for_unit("multi-user.target")


@_ALL_KINDS
def test_machine_that_dies_during_a_command_raises(machine: SystemdMachine) -> None:
    for action in (machine.fail, machine.wait_until_fails):
        machine.start()
        machine.connect()
        with pytest.raises(MachineError):
            action("systemctl poweroff --force --force; sleep 60")
        machine.crash()


@pytest.mark.kinds("container")
def test_command_that_the_shutdown_terminates_has_not_failed(machine: SystemdMachine) -> None:
    with pytest.raises(MachineError):
        machine.fail("systemctl poweroff; sleep 60")
    machine.crash()


@pytest.mark.kinds("container")
def test_machine_that_does_not_boot_raises(make_machine: MakeMachine) -> None:
    machine = make_machine(nspawn_options=("--no-such-option",))
    with pytest.raises(MachineError, match="ended while booting"):
        machine.fail("true")
    assert machine.is_lost()
    machine.crash()


@_ALL_KINDS
def test_waiting_ends_at_its_limit(machine: SystemdMachine) -> None:
    with pytest.raises(RequestedAssertionFailed, match="did not succeed within"):
        machine.wait_until_succeeds("false", timeout=1)
    with pytest.raises(RequestedAssertionFailed, match="did not fail within"):
        machine.wait_until_fails("true", timeout=1)
    with pytest.raises(RequestedAssertionFailed, match="did not fail within"):
        machine.wait_until_fails("sleep 300", timeout=1)
    with pytest.raises(RequestedAssertionFailed):
        machine.wait_for_file("/absent", timeout=1)


@_ALL_KINDS
@pytest.mark.leaves("failed unit: failing.service", why="it is to fail")
def test_waiting_for_a_unit_ends_when_it_can_not_become_active(machine: SystemdMachine) -> None:
    machine.wait_for_unit("multi-user.target")
    machine.succeed(f"printf %s '{_FAILING}' >/run/systemd/system/failing.service; systemctl daemon-reload")
    with pytest.raises(RequestedAssertionFailed, match=r'"failing\.service" is inactive and there are no pending jobs'):
        machine.wait_for_unit("failing.service")
    assert machine.start_job("failing.service")[0] != 0
    with pytest.raises(RequestedAssertionFailed, match=r'unit "failing\.service" reached state "failed"'):
        machine.wait_for_unit("failing.service")
    machine.require_unit_state("failing.service", "failed")
    with pytest.raises(RequestedAssertionFailed, match='should be "active", but is "failed"'):
        machine.require_unit_state("failing.service")


@_ALL_KINDS
def test_unit_properties_are_read(machine: SystemdMachine) -> None:
    assert machine.get_unit_info("dbus.socket")["Id"] == "dbus.socket"
    assert machine.get_unit_property("dbus.socket", "ActiveState") == "active"
    with pytest.raises(RequestedAssertionFailed, match="NoSuchProperty"):
        machine.get_unit_property("dbus.socket", "NoSuchProperty")


@_ALL_KINDS
def test_units_of_a_user_are_reached(machine: SystemdMachine) -> None:
    machine.succeed("useradd --create-home --shell /bin/bash alice; loginctl enable-linger alice")
    machine.wait_for_unit("default.target", user="alice", timeout=30)
    assert machine.start_job("no-such.service", user="alice")[0] != 0


@_ALL_KINDS
def test_ports_and_sockets_are_seen(machine: SystemdMachine) -> None:
    machine.wait_for_closed_port(8123, timeout=10)
    machine.execute("exec python3 -m http.server 8123", check_output=False)
    machine.wait_for_open_port(8123, timeout=30)
    machine.succeed("pkill -f 'http[.]server'")
    machine.wait_for_closed_port(8123, timeout=10)
    machine.wait_for_open_unix_socket("/run/systemd/private", timeout=10)
    machine.wait_for_open_unix_socket("/run/systemd/journal/dev-log", is_datagram=True, timeout=10)
    with pytest.raises(RequestedAssertionFailed):
        machine.wait_for_open_unix_socket("/run/absent", timeout=1)


@_ALL_KINDS
def test_trees_are_copied_in_and_out(machine: SystemdMachine, tmp_path: Path) -> None:
    source = tmp_path / "tree"
    (source / "inner").mkdir(parents=True)
    (source / "inner" / "tool").write_bytes(bytes(range(256)) * 500)
    (source / "inner" / "tool").chmod(0o750)
    (source / "link").symlink_to("inner/tool")
    machine.copy_from_host(source, "/srv/deep/copy")
    assert machine.succeed("stat -c '%a %U' /srv/deep/copy/inner/tool; readlink /srv/deep/copy/link") == (
        "750 root\ninner/tool\n"
    )
    machine.copy_from_machine("/srv/deep/copy", "back")
    assert (tmp_path / "back/copy/link").read_bytes() == (source / "link").read_bytes()
    machine.copy_from_host_via_shell(source / "inner" / "tool", "/srv/other/tool")
    machine.succeed("cmp /srv/deep/copy/inner/tool /srv/other/tool")
    # A relative path is what commands make of it.
    machine.succeed("mkdir made && echo here >made/file")
    machine.copy_from_machine("made/", "")
    assert (tmp_path / "made/file").read_text() == "here\n"
    with pytest.raises(MachineError, match="absent"):
        machine.copy_from_machine("/srv/absent")


@_ALL_KINDS
def test_reboot_keeps_the_disk_and_nothing_else(machine: SystemdMachine) -> None:
    boot = machine.succeed("cat /proc/sys/kernel/random/boot_id; touch /etc/kept /run/lost")
    machine.reboot()
    assert machine.succeed("cat /proc/sys/kernel/random/boot_id; ls /etc/kept") != boot
    machine.fail("test -e /run/lost")


@_ALL_KINDS
def test_reboot_by_the_machine_itself_needs_leave(machine: SystemdMachine) -> None:
    machine.start(allow_reboot=True)
    boot = machine.succeed("cat /proc/sys/kernel/random/boot_id")
    machine.execute("systemctl reboot; sleep 60", check_output=False)
    deadline = time.monotonic() + 60 * machine.time_factor
    now = boot
    while now == boot and time.monotonic() < deadline:
        try:
            now = machine.execute("cat /proc/sys/kernel/random/boot_id")[1] or boot
        except MachineError:
            continue  # asked while it went down
    assert now != boot


@_ALL_KINDS
def test_shutdown_and_crash_leave_a_disk_to_start_from(machine: SystemdMachine) -> None:
    machine.succeed("touch /etc/one; sync")
    machine.shutdown()
    assert not machine.is_up()
    with pytest.raises(MachineError, match="off"):
        machine.succeed("true")
    machine.start()
    machine.succeed("test -e /etc/one; touch /etc/two; sync")
    machine.crash()
    machine.start()
    machine.succeed("test -e /etc/two")


@_ALL_KINDS
def test_console_is_read(machine: SystemdMachine) -> None:
    machine.succeed("echo 'a line for the console' >/dev/console")
    machine.wait_for_console_text("a line for the cons.le", timeout=10)
    with pytest.raises(RequestedAssertionFailed, match="did not appear"):
        machine.wait_for_console_text("never written", timeout=0.2)


@pytest.mark.kinds("container")
def test_container_starts_clean_and_touches_no_host(machine: SystemdMachine) -> None:
    machine.fail("test -e /nix")
    assert machine.succeed("systemctl list-units --failed --no-legend; ls -A /usr/local/bin /etc/rc2.d /mnt") == (
        "/etc/rc2.d:\n\n/mnt:\n\n/usr/local/bin:\n"
    )
    assert machine.succeed("systemctl get-default; hostname") == "multi-user.target\nmachine\n"
    machine.succeed("touch /etc/machine-test-trace /usr/machine-test-trace")
    assert not Path("/etc/machine-test-trace").exists()
    assert not Path("/usr/machine-test-trace").exists()
    machine.fail("date --set 2001-01-01")
    assert time.gmtime().tm_year > 2001


@pytest.mark.kinds("container")
def test_machines_are_apart(make_machine: MakeMachine) -> None:
    one, two = make_machine("one"), make_machine("two")
    one.succeed("touch /etc/mine; systemd-run --unit=busy sleep 300")
    two.fail("test -e /etc/mine")
    assert two.systemctl("is-active busy.service")[0] != 0
    two.crash()
    one.require_unit_state("busy.service")


def test_a_process_that_ends_while_it_is_asked_has_no_children() -> None:
    for _ in range(200):
        process = subprocess.Popen(["true"])
        waits = threading.Thread(target=process.wait)
        waits.start()
        while waits.is_alive():
            assert children(process.pid) == []
        waits.join()


@pytest.mark.kinds("container")
def test_killed_driver_leaves_nothing_running(machine_kind: str, tmp_path: Path) -> None:
    program = (
        f"import sys, kinds\nm = kinds.make_machine({machine_kind!r}, 'orphan')\nm.connect()\n"
        "print(m.state_dir, flush=True)\nsys.stdin.read()"
    )
    driver = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=VM_TESTS,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert driver.stdout is not None
    state = driver.stdout.readline().decode().strip()
    assert state
    assert _users_of(state) > 0
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    deadline = time.monotonic() + 10
    while _users_of(state) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert _users_of(state) == 0
    assert state not in Path("/proc/self/mountinfo").read_text()


def _users_of(directory: str) -> int:
    """Counts the processes that were started with a path below `directory`."""
    count = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            count += directory.encode() in path.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
    return count


def test_failure_in_a_subtest_is_a_failure() -> None:
    with pytest.raises(ZeroDivisionError), subtest("dividing"):
        _ = 1 // 0


@pytest.mark.kinds("container")
@pytest.mark.parametrize("cgroups", ["v1", "v2"])
def test_container_has_the_cgroups_that_are_asked_for(make_machine: MakeMachine, cgroups: str) -> None:
    if cgroups == "v1" and not Path("/sys/fs/cgroup/systemd").is_dir():
        pytest.skip("this kernel's cgroups are all v2; run with: a host that boots systemd.unified_cgroup_hierarchy=0")
    machine = make_machine(cgroups=cgroups)
    machine.wait_for_unit("multi-user.target")
    kind = {"v1": "tmpfs", "v2": "cgroup2fs"}[cgroups]
    assert machine.succeed("stat --file-system --format=%T /sys/fs/cgroup") == f"{kind}\n"
    machine.succeed("systemd-run --unit=busy sleep 300")
    assert "busy.service" in machine.succeed("cat /proc/$(systemctl show -P MainPID busy)/cgroup")


@pytest.mark.kinds("container")
@pytest.mark.parametrize(("image", "version"), [("debian-12", "252"), ("debian-13", "257")])
def test_built_root_boots(make_machine: MakeMachine, image: str, version: str) -> None:
    if lacking := missing("container", image):
        pytest.skip(lacking)
    machine = make_machine(image=image)
    machine.wait_for_unit("multi-user.target")
    assert machine.succeed("systemctl --version").split()[1] == version
    machine.fail("test -e /nix")
    assert machine.succeed("systemctl --failed --no-legend") == ""
    machine.succeed("systemctl start nginx.service")
    machine.wait_for_open_port(80, timeout=10)
    machine.reboot()
    machine.wait_for_unit("multi-user.target")
    machine.shutdown()


@pytest.mark.kinds("container")
@pytest.mark.parametrize("kind", ["tmpfs", "ext4", "xfs", "btrfs"])
def test_etc_can_be_a_mount_of_its_own(make_machine: MakeMachine, kind: str) -> None:
    package = {"xfs": "xfsprogs", "btrfs": "btrfs-progs"}.get(kind, "e2fsprogs")
    if kind != "tmpfs" and which(f"mkfs.{kind}") is None:
        pytest.skip(f"mkfs.{kind} is not installed; run with: apt-get install {package} && vm-tests/run test_driver.py")
    machine = make_machine(etc=kind)
    machine.wait_for_unit("multi-user.target")
    assert machine.succeed("findmnt --noheadings --output=FSTYPE /etc") == f"{kind}\n"
    machine.succeed("touch /etc/kept; systemctl is-active dbus.socket")
    machine.reboot()
    machine.succeed("test -e /etc/kept")
