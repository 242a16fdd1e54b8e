"""Many hosts on this machine: each a root, processes and a name of its own, reached by an `ssh` that only enters them.

They cost a sleeping process each. No systemd runs in them, so that units are only files there; all else is real.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from base.errors import MachineError
from program.host import PROGRAM

_LIMIT = 900.0

_SSH = """\
#!/bin/sh
while [ "$1" != -- ]; do shift; done
host={folder}/hosts/$2
if [ -e "$host.dead" ]; then
  echo "ssh: connect to host $2 port 22: Connection timed out" >&2
  exit 255
fi
enter="nsenter --target $(cat "$host.pid") --mount --pid --uts --root --wd"
[ ! -e "$host.wrap" ] || . "$host.wrap"
exec $enter env -i HOME=/root /bin/sh -c "$3"
"""

_INIT = """\
set -e
mount --bind /usr "$1/usr"
mount -t proc proc "$1/proc"
mount --bind /dev "$1/dev"
hostname "$2"
exec chroot "$1" /systemd -c 'while :; do sleep 1000; done'
"""
"""What becomes the first process of a host; it is told by its name that systemd runs there."""


@dataclass(frozen=True)
class Place:
    """One host."""

    name: str
    root: Path

    def switch(self, file: str, on: bool) -> None:
        """Makes a file of the host be there, or not."""
        path = self.root / file
        if on:
            path.touch()
        else:
            path.unlink(missing_ok=True)

    def read(self, file: str) -> str | None:
        """Returns what is in a file of the host, if it is there."""
        path = self.root / file
        # A link of /etc leads into the host's own store.
        for _ in range(8):
            if not path.is_symlink():
                break
            path = self.root / str(path.readlink()).lstrip("/")
        return path.read_text() if path.exists() else None

    @property
    def dead(self) -> Path:
        """What makes the host unreachable while it is there."""
        return self.root.with_suffix(".dead")

    @property
    def wrap(self) -> Path:
        """A piece of shell that ssh runs before it enters, with the command for that in `enter`."""
        return self.root.with_suffix(".wrap")


class Fleet:
    """Hosts, and the program that deploys to them."""

    def __init__(self, folder: Path, count: int) -> None:
        """Makes the hosts' roots; `enter` starts them."""
        self.folder = folder
        (folder / "hosts").mkdir()
        # What all hosts get a copy of is as small as it can be.
        self.program = folder / "system-manager"
        if shutil.which("strip"):
            subprocess.run(["strip", "-o", self.program, PROGRAM], check=True, timeout=60)
        else:
            shutil.copy(PROGRAM, self.program)
        self.places = [self._make(f"h{number:02}") for number in range(count)]
        ssh = folder / "bin/ssh"
        ssh.parent.mkdir()
        ssh.write_text(_SSH.format(folder=folder))
        ssh.chmod(0o755)
        self.list = folder / "hosts.txt"
        self.list.write_text("".join(f"{place.name}\n" for place in self.places))

    def _make(self, name: str) -> Place:
        root = self.folder / "hosts" / name
        for part in ("etc", "var/lib", "run", "tmp", "root", "proc", "dev", "sys", "usr"):
            (root / part).mkdir(parents=True)
        for part in ("bin", "sbin", "lib", "lib64"):
            (root / part).symlink_to(f"usr/{part}")
        (root / "systemd").symlink_to("/usr/bin/bash")
        for file in ("passwd", "group", "shadow", "gshadow", "os-release", "login.defs"):
            shutil.copy(f"/etc/{file}", root / "etc")
        return Place(name, root)

    @contextlib.contextmanager
    def running(self) -> Iterator[Fleet]:
        """Runs the hosts, and removes them at the end."""
        processes = []
        try:
            for place in self.places:
                flags = ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--uts"]
                command = ["unshare", *flags, "sh", "-c", _INIT, "sh", str(place.root), place.name]
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
                processes.append(process)
            for place, process in zip(self.places, processes, strict=True):
                place.root.with_suffix(".pid").write_text(_first_process(process))
            yield self
        finally:
            for process in processes:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            shutil.rmtree(self.folder / "hosts")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Begins to run the program; both of its streams are one."""
        return self._start([str(self.program), *arguments])

    def on_terminal(self, *arguments: str, rows: int = 24) -> str:
        """Runs the program on a terminal so high; it must go well. Returns all that it wrote there."""
        command = f"stty rows {rows} columns 80; {shlex.join([str(self.program), *arguments])}"
        process = self._start(["script", "--quiet", "--return", "--command", command, "/dev/null"])
        output = process.communicate(timeout=_LIMIT)[0]
        if process.returncode != 0:
            raise MachineError(f"{arguments} exited with {process.returncode}:\n{output}")
        return output

    def _start(self, command: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            env={
                **os.environ,
                "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
                "XDG_CACHE_HOME": str(self.folder / "cache"),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, expect: int = 0) -> str:
        """Runs the program; the exit code must be the expected one. Returns what it printed, both streams."""
        process = self.start(*arguments)
        output = process.communicate(timeout=_LIMIT)[0]
        if process.returncode != expect:
            raise MachineError(f"{arguments} exited with {process.returncode}, not {expect}:\n{output}")
        return output


def _first_process(unshare: subprocess.Popen[bytes]) -> str:
    """Returns the first process of a host, once it is what it stays."""
    while unshare.poll() is None:
        children = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children").read_text().split()
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if children and Path(f"/proc/{children[0]}/comm").read_text() == "systemd\n":
                return children[0]
        os.sched_yield()
    raise MachineError(f"a host did not start: exit status {unshare.returncode}")
