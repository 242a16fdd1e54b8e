"""The machine API of the NixOS test driver, for every kind of machine.

A kind (`container`, `uml`, `qemu`) says how to boot, how to run a script inside, and how to move a tar archive in
and out; all that tests call is here and in `systemd_api`. Every wait has a time limit, and a machine that is gone
raises `MachineError` whatever was asked of it: also when the test asked for a failure.
"""

from __future__ import annotations

import base64
import os
import re
import shlex
import sys
import tarfile
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from api.absent import why_absent
from base import log
from base.errors import MachineError, RequestedAssertionFailed, WordAbsent
from base.process import TIMED_OUT, Completed, run
from lines.network import Network, Port
from lines.terminal import LEAVING, Line, relay, window_size

DEFAULT_TIMEOUT = 900.0
"""Seconds that a command or a wait may take when the test names no limit."""

_PROBE_LIMIT = 30.0
_SHOWN = 4000
_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Machine(ABC):
    """A machine that a test drives. Starts on first use."""

    kind: ClassVar[str]

    time_factor: float = 1.0
    """How much slower than a container this machine was measured to be; the default limits are scaled by it."""

    def __init__(self, name: str, out_dir: Path | None = None) -> None:
        """Prepares a machine called `name`; files copied out of it go to `out_dir` (default: the current directory)."""
        if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9-]{0,40}", name):
            raise ValueError(f"`{name}` can't be a host name")
        self.name = name
        self.out_dir = out_dir or Path.cwd()
        self.state_dir = Path(tempfile.mkdtemp(prefix=f"machine-{name}-"))
        self.console = self.state_dir / "console.log"
        """What the machine writes to its console, over all its boots."""
        self.console.touch()
        self._console_seen = 0
        self.search_path: tuple[str, ...] = ()
        """Directories that commands find after those of the login's PATH."""
        self.strict = True
        """Whether a command fails with any of its parts, by `set -euo pipefail`; old drivers had nothing like it."""
        self.callbacks: list[Callable[[], None]] = []
        """What to check before each command and each try of a wait; see `driver/polling.py`."""
        self.when_up: list[Callable[[], None]] = []
        """What to do when it is up for the first time, before the first command."""
        self._spoilt: Exception | None = None
        """What went wrong with that: the machine is then none that a test can speak of."""
        self.start_waits = False
        """Whether `start` waits until that is done."""
        self.started = False
        self.network: Network | None = None
        """The network of machines that it is plugged into, if it is."""

    def start(self, allow_reboot: bool = False) -> None:
        """Boots the machine, or does nothing when it is up. Doesn't wait for it, unless `start_waits`."""
        self.boot(allow_reboot)
        if self.start_waits and self.when_up:
            self.connect()

    # What a kind provides.

    @abstractmethod
    def boot(self, allow_reboot: bool = False) -> None:
        """Boots the machine, or does nothing when it is up. With `allow_reboot` it may reboot by itself."""

    @abstractmethod
    def connect(self) -> None:
        """Waits until the machine takes commands, starting it when needed."""

    @abstractmethod
    def is_up(self) -> bool:
        """Whether the machine is booted and takes commands. Doesn't wait."""

    @abstractmethod
    def is_lost(self) -> bool:
        """Whether the machine is gone and the test has not asked for that with `shutdown`, `crash` or a wait."""

    @abstractmethod
    def run_script(self, script: str, timeout: float) -> Completed:
        """Runs `script` with bash as root, with the environment of a login; raises when the machine is gone."""

    @abstractmethod
    def spawn_script(self, script: str, timeout: float) -> None:
        """Runs `script` like `run_script`, but comes back at once and forgets the outcome."""

    @abstractmethod
    def unpack(self, archive: Path, directory: str) -> None:
        """Unpacks a tar file of the host into `directory` of the machine, as root."""

    @abstractmethod
    def pack(self, directory: str, member: str, archive: Path) -> None:
        """Writes `member` of the machine's `directory` to a tar file on the host."""

    @abstractmethod
    def wait_for_shutdown(self, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Waits until the machine has powered off."""

    @abstractmethod
    def reboot(self, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Reboots in order, and waits until the machine takes commands again."""

    @abstractmethod
    def crash(self) -> None:
        """Ends the machine at once, without notice. See the kind on what that is worth; `start` boots it again."""

    @abstractmethod
    def release(self) -> None:
        """Ends the machine and removes all that it left on the host."""

    # Commands.

    def execute(
        self,
        command: str,
        check_return: bool = True,
        check_output: bool = True,
        timeout: float | None = DEFAULT_TIMEOUT,
    ) -> tuple[int, str]:
        """Runs a bash command and returns its exit status and stdout.

        The command runs under `set -euo pipefail`. At the time limit it is killed and its status is 124.
        With `check_output=False` it is only started and (-2, "") comes back; with `check_return=False` the status
        is -1.
        """
        limit = self._scaled(timeout)
        self.connect()
        if not check_output:
            self.require_set_up()
            self.spawn_script(self._strict(command), limit)
            return -2, ""
        done = self._run(command, limit)
        if done.stderr.strip():
            self.log(done.errors[-_SHOWN:])
        return (done.status if check_return else -1), done.text

    def succeed(self, *commands: str, timeout: float | None = None) -> str:
        """Runs commands that must exit 0, and returns what they wrote to stdout."""
        output = ""
        for command in commands:
            with self.nested(f"must succeed: {_brief(command)}"):
                output += self._expect(command, timeout, success=True)
        return output

    def fail(self, *commands: str, timeout: float | None = None) -> str:
        """Runs commands that must exit non-zero, and returns what they wrote to stdout.

        A command that is stopped at a time limit which the test named has failed; one that hangs has not.
        """
        output = ""
        for command in commands:
            with self.nested(f"must fail: {_brief(command)}"):
                output += self._expect(command, timeout, success=False)
        return output

    def _expect(self, command: str, timeout: float | None, *, success: bool) -> str:
        limit = self._scaled(timeout)
        self.connect()
        done = self._run(command, limit)
        shown = f"output: {_tail(done.text)}\nstderr: {_tail(done.errors)}"
        if done.timed_out and (success or timeout is None):
            raise RequestedAssertionFailed(
                f"{self.name}: command `{command}` did not end within {limit:g} seconds\n{shown}"
            )
        if success and done.status != 0:
            raise RequestedAssertionFailed(
                f"{self.name}: command `{command}` failed (exit code {done.status})\n{shown}"
            )
        if not success and done.status == 0:
            raise RequestedAssertionFailed(f"{self.name}: command `{command}` unexpectedly succeeded\n{shown}")
        return done.text

    def _run(self, command: str, limit: float) -> Completed:
        self.require_set_up()
        for callback in self.callbacks:
            callback()
        return self.run_script(self._strict(command), limit)

    def _strict(self, command: str) -> str:
        path = "".join(f":{directory}" for directory in self.search_path)
        export = f'export PATH="$PATH"{shlex.quote(path)}\n' if path else ""
        return f"{'set -euo pipefail' if self.strict else ''}\n{export}{command}"

    def wait_until_succeeds(self, command: str, timeout: float = DEFAULT_TIMEOUT) -> str:
        """Repeats a command until it exits 0, and returns the last output."""
        return self._repeat(command, timeout, lambda status: status == 0, "succeed")

    def wait_until_fails(self, command: str, timeout: float = DEFAULT_TIMEOUT) -> str:
        """Repeats a command until it exits non-zero by itself, and returns the last output."""
        return self._repeat(command, timeout, lambda status: status not in (0, TIMED_OUT), "fail")

    def _repeat(self, command: str, timeout: float, enough: Callable[[int], bool], verb: str) -> str:
        output = ""
        limit = self._scaled(timeout)

        def attempt(left: float) -> bool:
            nonlocal output
            done = self._run(command, left)
            output = done.text
            return enough(done.status)

        with self.nested(f"waiting until this {verb}s: {_brief(command)}"):
            self.connect()
            if not self._poll(attempt, limit):
                raise RequestedAssertionFailed(
                    f"{self.name}: command `{command}` did not {verb} within {limit:g} seconds\noutput: {_tail(output)}"
                )
        return output

    @staticmethod
    def _poll(attempt: Callable[[float], bool], limit: float) -> bool:
        """Calls `attempt` with the seconds left until it is true (false at the limit), each 50 ms to 1 s."""
        deadline, pause = time.monotonic() + limit, 0.05
        while (left := deadline - time.monotonic()) > 0:
            if attempt(left):
                return True
            time.sleep(min(pause, max(0.0, deadline - time.monotonic())))
            pause = min(1.0, pause * 1.5)
        return False

    def _scaled(self, timeout: float | None) -> float:
        return (DEFAULT_TIMEOUT if timeout is None else timeout) * self.time_factor

    # Files, ports and sockets.

    def wait_for_file(self, filename: str, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Waits until a path exists."""
        self.wait_until_succeeds(f"test -e {shlex.quote(filename)}", timeout)

    def wait_for_open_port(self, port: int, addr: str = "localhost", timeout: float = DEFAULT_TIMEOUT) -> None:
        """Waits until something listens on a TCP port."""
        self.wait_until_succeeds(_tcp_probe(port, addr), timeout)

    def wait_for_closed_port(self, port: int, addr: str = "localhost", timeout: float = DEFAULT_TIMEOUT) -> None:
        """Waits until nothing listens on a TCP port."""
        self.wait_until_fails(_tcp_probe(port, addr), timeout)

    def wait_for_open_unix_socket(self, addr: str, is_datagram: bool = False, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Waits until something accepts connections on a unix socket. Needs python3 in the machine."""
        kind = "SOCK_DGRAM" if is_datagram else "SOCK_STREAM"
        program = f"import socket, sys; socket.socket(socket.AF_UNIX, socket.{kind}).connect(sys.argv[1])"
        self.wait_until_succeeds(f"python3 -c {shlex.quote(program)} {shlex.quote(addr)} 2>/dev/null", timeout)

    def copy_from_host(self, source: str | os.PathLike[str], target: str) -> None:
        """Copies a file or tree of the host to the path `target` of the machine, owned by root."""
        if not target.startswith("/"):
            raise ValueError(f"copying to `{target}`: the target must be an absolute path")
        parent, base = os.path.split(target.rstrip("/"))
        with tempfile.NamedTemporaryFile(dir=self.state_dir, suffix=".tar") as archive:
            with tarfile.open(archive.name, "w", format=tarfile.PAX_FORMAT) as tar:
                tar.add(source, arcname=base, filter=_owned_by_root)
            self.connect()
            self.unpack(Path(archive.name), parent or "/")

    def copy_from_host_via_shell(self, source: str | os.PathLike[str], target: str) -> None:
        """Copies one file of the host into the machine with nothing but shell commands."""
        text = base64.b64encode(Path(source).read_bytes()).decode()
        quoted = shlex.quote(target)
        self.succeed(f"mkdir -p {shlex.quote(os.path.dirname(target))}; : >{quoted}")
        step = 3 * (
            1 << 14
        )  # a multiple of 4, so that each piece decodes by itself; below the argument limit of 128 KiB
        for begin in range(0, len(text), step):
            self.succeed(f"echo {text[begin : begin + step]} | base64 -d >>{quoted}")

    def copy_from_machine(self, source: str, target_dir: str = "") -> None:
        """Copies a file or tree of the machine into `target_dir` of the test's output directory."""
        destination = self.out_dir / target_dir
        destination.mkdir(parents=True, exist_ok=True)
        # Where commands run, which make what is named by a relative path.
        parent, base = os.path.split(os.path.join("/tmp", source).rstrip("/"))
        with tempfile.NamedTemporaryFile(dir=self.state_dir, suffix=".tar") as archive:
            self.connect()
            self.pack(parent or "/", base, Path(archive.name))
            argv = ["tar", "--no-same-owner", "-C", str(destination), "-xf", archive.name]
            done = run(argv, _PROBE_LIMIT * 10)
            if done.status != 0:
                raise MachineError(f"{self.name}: unpacking a copy of `{source}`: {done.errors}")

    def copy_from_vm(self, source: str, target_dir: str = "") -> None:
        """The older name of `copy_from_machine`."""
        self.copy_from_machine(source, target_dir)

    # Lifecycle and logging that all kinds share.

    def shutdown(self, timeout: float = 120.0) -> None:
        """Powers the machine off in order, and waits for that."""
        if not self.is_up():
            return
        with self.nested("shutting down"):
            # Only started: it may take its own shell along before that could answer.
            self.execute("systemctl --no-block poweroff", check_output=False)
            self.wait_for_shutdown(timeout)

    def get_console_log(self) -> str:
        """Returns what the machine has written to its console since it was made."""
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def new_console_lines(self) -> list[str]:
        """Returns the lines that are complete and were not returned before."""
        if not self.console.exists():
            return []
        with self.console.open("rb") as stream:
            stream.seek(self._console_seen)
            complete = stream.read().rpartition(b"\n")[0]
        self._console_seen += len(complete) + 1 if complete else 0
        return [line.rstrip("\r") for line in complete.decode(errors="replace").split("\n")] if complete else []

    def log_serial(self, msg: str) -> None:
        """Logs a line of the console, unless `serial_stdout_off` says otherwise."""
        log.log_serial(_CONTROL.sub("", msg), self.name)

    def wait_for_console_text(self, regex: str, timeout: float | None = None) -> None:
        """Waits until the console log has a match."""
        limit = self._scaled(timeout)
        with self.nested(f"waiting for `{regex}` on the console"):
            if not self._poll(lambda _: bool(re.search(regex, self.get_console_log())), limit):
                raise RequestedAssertionFailed(
                    f"{self.name}: `{regex}` did not appear on the console within {limit:g} seconds"
                )

    def block(self) -> None:
        """Cuts the machine off from the network of machines: frames are lost in both directions."""
        self._set_blocked(True)

    def unblock(self) -> None:
        """Ends `block`."""
        self._set_blocked(False)

    def _set_blocked(self, blocked: bool) -> None:
        if self.network is None:
            raise MachineError(f"{self.name}: there is no network; make one with `Network` and pass it to the machine")
        for port in self.ports:
            port.blocked = blocked

    @property
    def ports(self) -> Sequence[Port]:
        """Where it is plugged in: eth1, eth2, ..."""
        return self.network.ports[self.name] if self.network is not None else ()

    def on_boot(self, devices: Sequence[str]) -> None:
        """Gives the machine its address, after each boot, and does what is to be done at the first one."""
        if self.network is not None:
            script = self.network.setup_script(self.name, devices)
            done = self.run_script(script, _PROBE_LIMIT * self.time_factor)
            if done.status != 0:
                raise MachineError(f"{self.name}: joining the network: {done.errors}")
        waiting, self.when_up = self.when_up, []
        try:
            for action in waiting:
                action()
        except Exception as error:
            self._spoilt = error
            raise

    def require_set_up(self) -> None:
        """Raises if what was to be done when it was first up went wrong, whoever has caught that."""
        if self._spoilt is not None:
            raise MachineError(f"{self.name}: it was not set up: {self._spoilt}") from self._spoilt

    def sleep(self, secs: float) -> None:
        """Lets time pass in the machine."""
        self.succeed(f"sleep {secs}", timeout=secs + _PROBE_LIMIT)

    @abstractmethod
    def open_shell(self, size: tuple[int, int], term: str) -> AbstractContextManager[Line]:
        """Starts a login shell on a terminal of `size` and kind `term` in the machine, for `shell_interact`."""

    @abstractmethod
    def feed_shell(self) -> None:
        """Runs a login shell in the machine that reads what is left of standard input."""

    def shell_interact(self, address: str | None = None) -> None:  # noqa: ARG002
        """Leaves the terminal to a root shell in the machine until that ends; reads commands where there is none.

        `address` is where NixOS's driver lets a program of the host listen; the terminal is this process's own here.
        """
        self.connect()
        if not sys.stdin.isatty():
            self.feed_shell()
            return
        self.log(f"a shell in the machine. {LEAVING}")
        try:
            with self.open_shell(window_size(), os.environ.get("TERM", "dumb")) as line:
                relay(line)
        except MachineError as error:
            # Whoever types `poweroff` has asked for it; the next command, if there is one, says what is wrong.
            self.log(f"the shell has ended: {error}")

    def log(self, message: str) -> None:
        """Logs a line under the machine's name."""
        log.log(message, self.name)

    @contextmanager
    def nested(self, message: str, attrs: Mapping[str, str] | None = None) -> Iterator[None]:  # noqa: ARG002
        """Logs the beginning and the duration of a block under the machine's name."""
        with log.nested(message, self.name):
            yield

    if not TYPE_CHECKING:

        def __getattr__(self, word: str) -> object:
            """Says why there is no such word, where a script for NixOS may expect one."""
            if reason := why_absent(word):
                raise WordAbsent(f"{self.name}: `{word}`: {reason}")
            raise AttributeError(f"{type(self).__name__} has no `{word}`")

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _die(self, what: str) -> MachineError:
        """Makes the error for a machine that is gone, with the end of its console."""
        console = _CONTROL.sub("", self.get_console_log()).replace("\r", "")
        return MachineError(f"{self.name}: {what}\nconsole: {_tail(re.sub(chr(10) + '+', chr(10), console))}")


def _brief(command: str) -> str:
    return command if len(command) <= 200 else f"{command[:200]}[...]"


def _tail(text: str) -> str:
    return text if len(text) <= _SHOWN else f"[...]{text[-_SHOWN:]}"


def _tcp_probe(port: int, addr: str) -> str:
    return f"timeout 5 bash -c {shlex.quote(f'exec 3<>/dev/tcp/{addr}/{port}')} 2>/dev/null"


def _owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member
