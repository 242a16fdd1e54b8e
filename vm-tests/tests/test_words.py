"""The words of the NixOS test driver: each is there, or says why not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from api.absent import why_absent
from api.systemd_api import SystemdMachine
from api.x11 import window_names
from base.errors import MachineError, RequestedAssertionFailed
from conftest import MakeMachine
from driver.session import Session
from kinds.container import Container
from kinds.qemu import Qemu
from kinds.uml import UserModeLinux
from program.host import VM_TESTS

# The tables of the driver's documentation.
_MACHINE_WORDS = """
start is_up wait_for_shutdown execute succeed fail wait_until_succeeds wait_until_fails systemctl get_unit_info
get_unit_property wait_for_unit require_unit_state start_job stop_job wait_for_file sleep wait_for_open_port
wait_for_closed_port wait_for_open_unix_socket copy_from_machine copy_from_vm copy_from_host copy_from_host_via_shell
log log_serial nested shared_dir ssh_backdoor_command connect shutdown crash reboot release
send_monitor_command wait_for_monitor_prompt wait_for_qmp_event qmp_client block unblock forward_port get_tty_text
wait_until_tty_matches dump_tty_contents send_key send_chars send_console screenshot get_screen_text
get_screen_text_variants wait_for_text wait_for_console_text get_console_log wait_for_x get_window_names
wait_for_window shell_interact console_interact switch_root
"""
_SCRIPT_WORDS = """
start_all join_all test_script run_tests machines machines_qemu machines_nspawn vlans driver log os subtest retry
create_machine serial_stdout_on serial_stdout_off polling_condition t debug BaseMachine
"""


@pytest.mark.parametrize("kind", [Container, UserModeLinux, Qemu])
def test_machines_have_every_word_or_a_reason(kind: type[SystemdMachine]) -> None:
    assert [word for word in _MACHINE_WORDS.split() if not hasattr(kind, word) and not why_absent(word)] == []


def test_no_word_is_explained_away_that_all_machines_have() -> None:
    everywhere = [word for word in _MACHINE_WORDS.split() if all(hasattr(kind, word) for kind in (Container, Qemu))]
    assert [word for word in everywhere if why_absent(word)] == []


def test_scripts_have_every_word(tmp_path: Path) -> None:
    names = Session({}, tmp_path).symbols()
    assert [word for word in _SCRIPT_WORDS.split() if word not in names] == []


@pytest.mark.kinds("container", "uml", "qemu")
def test_absent_words_say_why(machine: SystemdMachine) -> None:
    with pytest.raises(MachineError, match="machine: `switch_root`: the initrd is the distribution's"):
        machine.switch_root()  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="has no `no_such_word`"):
        machine.no_such_word()  # type: ignore[attr-defined]
    if machine.kind == "container":
        assert not hasattr(machine, "send_key")
        with pytest.raises(MachineError, match="has a keyboard; run with: --kind qemu"):
            machine.send_key("ret")  # type: ignore[attr-defined]


@pytest.mark.kinds("container", "uml")
def test_folder_is_shared(machine: SystemdMachine) -> None:
    assert isinstance(machine, Container | UserModeLinux)
    (machine.shared_dir / "from-host").write_text("in\n")
    assert machine.succeed("cat /tmp/shared/from-host; echo out >/tmp/shared/from-machine") == "in\n"
    assert (machine.shared_dir / "from-machine").read_text() == "out\n"


_CONSOLES = """
machine.wait_for_unit("multi-user.target")
machine.succeed("echo before it >/dev/console")
machine.wait_for_console_text("before it")
serial_stdout_on()
machine.succeed("echo while it is on >/dev/console")
machine.wait_for_console_text("while it is on")
serial_stdout_off()
machine.log_serial("said after it")
machine.succeed("echo after it >/dev/console")
machine.wait_for_console_text("after it")
debug.breakpoint()
"""


def _drive(tmp_path: Path, script: str, kind: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    (tmp_path / "script.py").write_text(script)
    (tmp_path / "config.json").write_text(
        json.dumps({"machines": {"machine": {}}, "test_script": str(tmp_path / "script.py")})
    )
    argv = [sys.executable, str(VM_TESTS), "driver", str(tmp_path / "config.json"), "--kind", kind, "-o", str(tmp_path)]
    return subprocess.run(argv, capture_output=True, text=True, input=stdin, timeout=600, check=False)


@pytest.mark.kinds("container", "uml", "qemu")
def test_lines_of_the_console_are_logged_while_that_is_on(machine_kind: str, tmp_path: Path) -> None:
    done = _drive(tmp_path, _CONSOLES, machine_kind)
    assert done.returncode == 0, done.stderr
    lines = [line.partition("# console: ")[2].strip() for line in done.stderr.splitlines() if "# console" in line]
    assert "while it is on" in lines
    assert not {"before it", "after it", "said after it"} & set(lines)
    assert "nobody is at a terminal, so the script goes on" in done.stderr


def test_failure_shows_the_script_and_no_more(tmp_path: Path) -> None:
    done = _drive(tmp_path, "def check():\n    machine.succeed('exit 3')\n\ncheck()\n", "container")
    assert done.returncode == 1
    report = done.stderr.partition("Traceback")[2]
    assert 'script.py", line 2, in check' in report
    assert "command `exit 3` failed (exit code 3)" in report
    assert "machine.py" not in report


_TREE = """
xwininfo: Window id: 0x52c (the root window) (has no name)

  Root window id: 0x52c (the root window) (has no name)
  Parent window id: 0x0 (none)
     3 children:
     0x200022 "a "quoted" name": ("xterm" "XTerm")  484x316+0+0  +0+0
        1 child:
        0x200023 (has no name): ()  484x316+0+0  +0+0
     0x40000a "xeyes": ()  10x10+-100+-100  +-100+-100
"""


def test_names_of_windows_are_read() -> None:
    assert window_names(_TREE) == ['a "quoted" name', "xeyes"]


@pytest.mark.kinds("container")
@pytest.mark.slow
def test_windows_are_seen(make_machine: MakeMachine) -> None:
    machine = make_machine(image="debian-12-x11")
    with pytest.raises(RequestedAssertionFailed, match="did not succeed within"):
        machine.wait_for_x(timeout=0.5)
    machine.execute("exec Xvfb :0 -noreset -nolisten tcp", check_output=False)
    machine.wait_for_x(timeout=30)
    assert machine.get_window_names() == []
    machine.execute("exec env DISPLAY=:0 xev -name 'a window, 1'", check_output=False)
    machine.wait_for_window("a window, [0-9]$", timeout=30)
    assert "a window, 1" in machine.get_window_names()
    with pytest.raises(RequestedAssertionFailed, match=r"no window had a name like `another`.*'a window, 1'"):
        machine.wait_for_window("another", timeout=0.5)
