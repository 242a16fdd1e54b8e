"""The program on this machine, deploying to machines of a test over their own network."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from base.errors import MachineError
from kinds.container import Container
from program import host as program

_LIMIT = 600.0


class Deployer:
    """Runs the program here, in the network of a machine that stands for this one, with an ssh of its own."""

    def __init__(self, seat: Container, folder: Path) -> None:
        """Makes a key; `seat` is whose network is used."""
        self.seat = seat
        self.folder = folder
        self.key = folder / "key"
        self.known_hosts = folder / "known_hosts"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)], check=True, timeout=60)
        self.known_hosts.touch()
        # What the user's own ssh is configured with.
        self.config = folder / "ssh_config"
        self.variables: dict[str, str] = {}
        seat.connect()

    def admit(self, target: Container, user: str = "root") -> None:
        """Starts sshd on a machine, lets `user` in with the key, and knows the machine."""
        home = target.succeed(f"getent passwd {user} | cut -d: -f6").strip()
        public = self.key.with_suffix(".pub").read_text().strip()
        target.succeed(
            "ls /etc/ssh/ssh_host_ed25519_key >/dev/null 2>&1 || ssh-keygen -q -A",
            f"install -d -o {user} -m 0700 {home}/.ssh",
            f"echo '{public}' >{home}/.ssh/authorized_keys",
            f"chown {user} {home}/.ssh/authorized_keys",
            "systemctl start ssh.service",
        )
        target.wait_for_open_port(22)
        key = target.succeed("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub").strip()
        with self.known_hosts.open("a") as known:
            known.write(f"{self.address(target)} {key}\n")

    @staticmethod
    def address(target: Container) -> str:
        """Returns where a machine is."""
        return target.ports[0].interface.addresses[0].partition("/")[0]

    def command(self, *arguments: str) -> list[str]:
        """Returns the command of the program with these arguments, and what ssh needs to know."""
        options = (f"UserKnownHostsFile={self.known_hosts}", f"IdentityFile={self.key}", "IdentitiesOnly=yes")
        own = [word for option in options for word in ("--ssh-option", option)]
        return [*self.enter(), str(program.PROGRAM), *arguments, *own]

    def enter(self) -> list[str]:
        """Returns the command that runs another one where the program runs: in the seat's network, with its own ssh."""
        enter = ["nsenter", f"--net=/proc/{self.seat.leader}/ns/net", "--"]
        if self.config.exists():
            bind = f'mount --bind {shlex.quote(str(self.config))} /etc/ssh/ssh_config && exec "$@"'
            enter += ["unshare", "--mount", "--propagation", "private", "sh", "-c", bind, "sh"]
        return enter

    def environment(self) -> dict[str, str]:
        """Returns the environment of the program: without the caller's ssh agent, and with a cache of its own."""
        environment = {name: value for name, value in os.environ.items() if name != "SSH_AUTH_SOCK"}
        # Programs of the test come before those of this machine.
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return {**environment, "PATH": path, "XDG_CACHE_HOME": str(self.folder / "cache"), **self.variables}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Begins to run the program; both of its streams are one."""
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, expect: int = 0, limit: float = _LIMIT) -> str:
        """Runs the program; the exit code must be the expected one. Returns what it printed, both streams."""
        process = self.start(*arguments)
        try:
            output = process.communicate(timeout=limit)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            raise MachineError(f"{arguments} did not end:\n{process.communicate()[0]}") from None
        if process.returncode != expect:
            raise MachineError(f"{arguments} exited with {process.returncode}, not {expect}:\n{output}")
        self.seat.log(output)
        return output

    def on_terminal(
        self, arguments: list[str], password: str, meanwhile: Callable[[], None] = lambda: None, expect: int = 0
    ) -> str:
        """Runs the program on a terminal, where it asks for a password. Returns all that it showed there."""
        process = subprocess.Popen(
            ["script", "--quiet", "--return", "--command", shlex.join(self.command(*arguments)), "/dev/null"],
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        shown = b""
        try:
            while b"password" not in shown:
                piece = os.read(process.stdout.fileno(), 4096)
                if not piece:
                    break
                shown += piece
            process.stdin.write(f"{password}\n".encode())
            process.stdin.flush()
            meanwhile()
            while piece := os.read(process.stdout.fileno(), 4096):
                shown += piece
            status = process.wait(_LIMIT)
        finally:
            process.kill()
            process.wait()
        if status != expect:
            raise MachineError(f"{arguments} exited with {status}, not {expect}:\n{shown.decode()}")
        return shown.decode()

    def json(self, target: Container, *arguments: str) -> dict[str, Any]:
        """Runs the program for a machine with `--json`. Returns what it printed on standard output alone."""
        command = self.command(*arguments, "--json", "--target-host", f"root@{self.address(target)}")
        output = subprocess.run(
            command, env=self.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_LIMIT
        )
        if output.returncode != 0:
            raise MachineError(f"{arguments} exited with {output.returncode}:\n{output.stdout}{output.stderr}")
        printed: dict[str, Any] = json.loads(output.stdout)
        return printed

    def on(self, target: Container, *arguments: str, expect: int = 0) -> str:
        """Runs the program for a machine, as `run`."""
        return self.run(*arguments, "--target-host", f"root@{self.address(target)}", expect=expect)
