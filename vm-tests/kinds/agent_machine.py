"""Machines with a kernel of their own: a host process is the machine, and an agent in it runs the commands."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from api.consoles import ConsoleLine
from api.machine import DEFAULT_TIMEOUT
from api.systemd_api import SystemdMachine
from base.errors import MachineError
from base.process import LEASH, Completed, kill_group, wait_for_exit
from lines.channel import Channel, ChannelLost, Interaction
from lines.login import ENVIRONMENT, login_argv, shell_argv
from lines.terminal import LEAVING, relay

_STOP_LIMIT = 10.0
_PROBE_LIMIT = 30.0


class AgentMachine(SystemdMachine):
    """What the kinds with a kernel of their own share. They say how to `launch`, and how files go in and out."""

    boot_limit: float = 180.0
    """Seconds from power-on to the agent's first word."""

    def __init__(self, name: str, out_dir: Path | None = None) -> None:
        """Prepares a machine; nothing runs yet."""
        super().__init__(name, out_dir)
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._connected = False
        self._allow_reboot = False
        self._rebooted = False

    @abstractmethod
    def network_devices(self) -> list[str]:
        """Returns what the kernel calls the devices that are to become eth1 and so on."""

    @abstractmethod
    def launch(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        """Starts the machine's process; returns it, with the line to the agent."""

    def spawn(self, argv: list[str], pass_fds: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
        """Starts the host process that is the machine; it can't outlive the driver. Its output is the console."""
        with self.console.open("ab") as console:
            return subprocess.Popen(
                [*LEASH, *argv],
                stdin=subprocess.PIPE,
                stdout=console,
                stderr=console,
                pass_fds=pass_fds,
                start_new_session=True,
                cwd=self.state_dir,
            )

    def boot(self, allow_reboot: bool = False) -> None:
        """Powers the machine on, or does nothing when it runs."""
        self._allow_reboot = allow_reboot
        if self._channel is not None:
            self._channel.allow_reboot = allow_reboot
        if self._running():
            return
        self._forget()
        self.log(f"starting {self.kind} machine")
        process, line = self.launch()
        self._process = process
        self._channel = Channel(line, lambda: process.poll() is None)
        self._channel.allow_reboot = allow_reboot
        self.started = True

    def connect(self) -> None:
        """Waits for the agent, and until PID 1 has reached basic.target."""
        if self._process is None:
            if self.started:
                raise self._die("the machine is off; `start` boots it")
            self.boot()
        if not self._running():
            raise self._die("the machine is gone")
        if not self._connected:
            if self._rebooted and not self._allow_reboot:
                raise self._die("the machine rebooted by itself; `start(allow_reboot=True)` allows that")
            self._await_boot(self.boot_limit)

    def _await_boot(self, limit: float) -> None:
        begin = time.monotonic()
        try:
            self._line().wait_ready(limit)
            while self._call(["systemctl", "is-active", "basic.target"], _PROBE_LIMIT).status != 0:
                if time.monotonic() - begin > limit:
                    raise ChannelLost(f"it did not reach basic.target within {limit:g} seconds")
                time.sleep(0.1)
        except ChannelLost as error:
            raise self._die(f"while booting: {error}") from error
        self._connected, self._rebooted = True, False
        self.log(f"connected after {time.monotonic() - begin:.2f} seconds")
        self.on_boot(self.network_devices())

    def _line(self) -> Channel:
        if self._channel is None:
            raise self._die("the machine is off")
        return self._channel

    def _running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def is_up(self) -> bool:
        """Whether the machine runs and has booted."""
        return self._connected and self._running()

    def is_lost(self) -> bool:
        """Whether the machine's process has ended, or its agent is gone, and the test has not asked for that."""
        return self._process is not None and (self._rebooted or not self._running())

    def _call(self, argv: list[str], timeout: float, *, detach: bool = False) -> Completed:
        return self._line().call(argv, ENVIRONMENT, timeout, detach=detach)

    def run_script(self, script: str, timeout: float) -> Completed:
        """Runs a bash script through the agent."""
        self.connect()
        try:
            return self._call(login_argv(script), timeout)
        except ChannelLost as error:
            raise self._lose(error) from error

    def spawn_script(self, script: str, timeout: float) -> None:
        """Starts a bash script and comes back."""
        self.connect()
        try:
            self._call(["timeout", "--signal=KILL", str(timeout), *login_argv(script)], _PROBE_LIMIT, detach=True)
        except ChannelLost as error:
            raise self._lose(error) from error

    def _lose(self, error: ChannelLost) -> MachineError:
        """Notes that the agent is gone, for whatever reason; only a boot that the test allows brings it back."""
        self._connected, self._rebooted = False, True
        return self._die(str(error))

    def open_shell(self, size: tuple[int, int], term: str) -> AbstractContextManager[Interaction]:
        """Starts a shell on a terminal that the agent makes."""
        return self._start_shell(size, {**ENVIRONMENT, "TERM": term})

    def feed_shell(self) -> None:
        """Runs a shell on two pipes of the agent's."""
        with self._start_shell(None, ENVIRONMENT) as line:
            relay(line)

    @contextmanager
    def _start_shell(self, size: tuple[int, int] | None, env: Mapping[str, str]) -> Iterator[Interaction]:
        self.connect()
        try:
            argv = shell_argv(self.search_path, at_terminal=size is not None)
            with closing(self._line().interact(argv, env, size)) as line:
                yield line
        except ChannelLost as error:
            raise self._lose(error) from error

    def send_console(self, chars: str) -> None:
        """Types into the machine's console."""
        if self._process is None or self._process.stdin is None:
            raise self._die("the machine is off")
        self._process.stdin.write(chars.encode())
        self._process.stdin.flush()

    def console_interact(self) -> None:
        """Leaves the terminal to the machine's console, until Ctrl-] was typed three times or the machine is off."""
        process = self._process
        if process is None or process.stdin is None:
            raise self._die("the machine is off")
        self.log(f"the console, on which there may be no prompt. {LEAVING}")
        with closing(ConsoleLine(self.console, process.stdin, self._running)) as line:
            relay(line)

    def wait_for_shutdown(self, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Waits until the machine has powered off."""
        if self._process is None:
            return
        with self.nested("waiting for the machine to power off"):
            if not wait_for_exit(self._process, timeout):
                raise self._die(f"the machine did not power off within {timeout:g} seconds")
        self._forget()

    def reboot(self, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Reboots in order, through the kernel, and waits until the machine takes commands again."""
        with self.nested("rebooting"):
            self.execute("systemctl --no-block reboot", check_output=False)
            self._connected = self._rebooted = False
            self._await_boot(timeout)

    def crash(self) -> None:
        """Kills the machine's process: all that its kernel had not yet written to the disk is lost.

        What it had written stays, flushed or not, since the host's page cache lives on: no write is lost or torn that
        a real disk with a volatile cache could lose.
        """
        self.log("crash: killing the machine")
        self._forget()

    def _forget(self) -> None:
        """Ends what is left of the last boot."""
        if self._process is not None:
            kill_group(self._process)
            self._process = None
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        self._connected = self._rebooted = False

    def release(self) -> None:
        """Kills the machine and removes its files."""
        self._forget()
        shutil.rmtree(self.state_dir)
