"""The shell that a person gets in a machine: on a terminal of its own there, and on a pipe."""

from __future__ import annotations

import fcntl
import os
import re
import select
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lines.channel import Channel, ChannelLost
from program.host import VM_TESTS

pytestmark = pytest.mark.kinds("container", "uml", "qemu")

_LIMIT = 120.0
# Debian's, and Fedora's `[root@machine ~]# `.
_PROMPT = r"root@machine[: ]\S+# "
_PROMPT_IN_ETC = r"root@machine[: ]/?etc\]?# "
_DRIVER = [sys.executable, str(VM_TESTS), "driver"]


class Person:
    """Someone at a terminal in which `driver --shell` runs."""

    def __init__(self, fd: int, driver: subprocess.Popen[bytes]) -> None:
        """Types and reads at `fd`."""
        self.fd = fd
        self.driver = driver
        self.seen = ""

    def types(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def sees(self, pattern: str) -> str:
        """Waits until something new matches, and returns it."""
        deadline = time.monotonic() + _LIMIT
        while not (found := re.search(pattern, self.seen)):
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.fd], [], [], left)[0], f"no `{pattern}` in: {self.seen!r}"
            try:
                data = os.read(self.fd, 4096)
            except OSError:
                data = b""
            assert data, f"it ended without `{pattern}`: {self.seen!r}"
            self.seen += data.decode(errors="replace")
        self.seen = self.seen[found.end() :]
        return found[0]

    def sees_the_end(self) -> int:
        """Waits until the driver has ended, and returns its exit code."""
        deadline = time.monotonic() + _LIMIT
        while self.driver.poll() is None and time.monotonic() < deadline:
            if select.select([self.fd], [], [], 0.05)[0]:
                os.read(self.fd, 4096)
        return self.driver.wait(1)


@contextmanager
def _at_a_terminal(kind: str, image: str | None) -> Iterator[Person]:
    near, far = os.openpty()
    fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 31, 117, 0, 0))
    argv = [*_DRIVER, "--shell", "--kind", kind, *(["--image", image] if image else [])]
    driver = subprocess.Popen(
        argv, stdin=far, stdout=far, stderr=far, start_new_session=True, env={**os.environ, "TERM": "xterm"}
    )
    before = termios.tcgetattr(far)
    try:
        yield Person(near, driver)
        assert termios.tcgetattr(far) == before, "the terminal is not as it was"
    finally:
        driver.terminate()
        driver.wait(_LIMIT)
        os.close(near)
        os.close(far)


def test_shell_is_a_login_on_a_terminal(machine_kind: str, pytestconfig: pytest.Config) -> None:
    with _at_a_terminal(machine_kind, pytestconfig.getoption("--image")) as person:
        person.sees(_PROMPT)
        person.types("cd /etc\r")
        person.sees(_PROMPT_IN_ETC)
        person.types("word=kept; pwd; tty; stty size; echo $TERM $word; shopt login_shell\r")
        person.sees(r"/etc\r\n/dev/pts/\d+\r\n31 117\r\nxterm kept\r\nlogin_shell\s+on\r\n")

        fcntl.ioctl(person.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 90, 0, 0))
        person.types("until [ \"$(stty size)\" = '40 90' ]; do :; done; echo 're''sized'\r")
        person.sees("resized")

        # What is typed to stop a program stops that, neither the shell nor the driver.
        person.types("sh -c 'echo go''ing; exec sleep 300'\r")
        person.sees("going")
        person.types("\x03")
        person.sees(_PROMPT_IN_ETC)
        person.types("echo $?\r")
        person.sees("130")

        # A program that outlives the shell keeps nobody.
        person.types("(trap '' HUP; exec sleep 300) & exit\r")
        assert person.sees_the_end() == 0


def test_shell_can_be_left(machine_kind: str, pytestconfig: pytest.Config) -> None:
    with _at_a_terminal(machine_kind, pytestconfig.getoption("--image")) as person:
        person.sees(_PROMPT)
        person.types("trap '' INT HUP TERM; sh -c 'echo stub''born; exec sleep 300'\r")
        person.sees("stubborn")
        person.types("\x1d\x1d\x1d")
        assert person.sees_the_end() == 0


def test_machine_that_is_powered_off_ends_its_shell(machine_kind: str, pytestconfig: pytest.Config) -> None:
    with _at_a_terminal(machine_kind, pytestconfig.getoption("--image")) as person:
        person.sees(_PROMPT)
        person.types("systemctl poweroff\r")
        assert person.sees_the_end() == 0


@pytest.mark.kinds("container")
def test_machine_that_dies_under_a_piped_shell_is_no_success(machine_kind: str) -> None:
    argv = [*_DRIVER, "--shell", "--kind", machine_kind]
    script = "systemctl poweroff -ff\nsleep 20\necho alive\n"
    done = subprocess.run(argv, input=script, capture_output=True, text=True, timeout=_LIMIT, check=False)
    assert done.returncode == 1
    assert "error: machine: " in done.stderr
    assert "Traceback" not in done.stderr


def test_boot_under_a_shell_ends_it_and_is_not_forgotten() -> None:
    ours, machine = socket.socketpair()
    with ours, machine:
        channel = Channel(ours, lambda: True)
        channel.boot_id = "old"
        machine.sendall(b'{"started": 1}\n')
        shell = channel.interact(["bash"], {}, None)
        assert b'"interactive": true' in machine.recv(4096)
        machine.sendall(b'{"ready": "new"}\n')
        with pytest.raises(ChannelLost, match="rebooted"):
            shell.take()
        shell.close()
        machine.setblocking(False)
        with pytest.raises(BlockingIOError):
            machine.recv(4096)
        assert channel.wait_ready(1) == "new"


def test_shell_reads_a_pipe_to_its_end(machine_kind: str, pytestconfig: pytest.Config) -> None:
    image = pytestconfig.getoption("--image")
    argv = [*_DRIVER, "--shell", "--kind", machine_kind, *(["--image", image] if image else [])]
    script = "cd /etc\nword=kept\npwd\necho $word >/dev/stderr\n" + "true\n" * 20000 + "echo the end\n"
    done = subprocess.run(argv, input=script, capture_output=True, text=True, timeout=_LIMIT * 5, check=False)
    assert done.returncode == 0, done.stderr
    assert "/etc\n" in done.stdout
    assert "kept\n" in done.stdout + done.stderr
    assert done.stdout.endswith("the end\n")
