"""A private corner of the host: mount and process namespaces that vanish, with all in them, when the driver goes.

The keeper is PID 1 of its process namespace and lives as long as a pipe from the driver is open. When the driver ends
(also by SIGKILL) the keeper ends, and with it the kernel ends every process inside and drops every mount.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from base.errors import MachineError
from base.process import kill_group
from lines import tap

_PREFIX = "machine-test"
_SETUP_LIMIT = 60.0
_TAP = Path(tap.__file__)

_KEEPER = """\
set -eu
live=$1 mask=$2 lower=$3 etc=$4
mount -t tmpfs -o mode=755 tmpfs "$live"
mkdir "$live/upper" "$live/work" "$live/lower" "$live/root" "$live/etc"
# overlayfs refuses layers of one file system that contain each other
cp --archive "$mask" "$live/mask"
mount --bind "$lower" "$live/lower"
mount -o remount,bind,ro "$live/lower"
mount -t overlay overlay -o "lowerdir=$live/mask:$live/lower,upperdir=$live/upper,workdir=$live/work" "$live/root"
case $etc in
  overlay) ;;
  tmpfs) mount -t tmpfs -o mode=755 tmpfs "$live/etc" ;;
  *)
    truncate --size=512M "$live/etc.image"
    "mkfs.$etc" -q "$live/etc.image"
    mount -t "$etc" -o loop "$live/etc.image" "$live/etc" ;;
esac
if [ "$etc" != overlay ]; then
  cp --archive "$live/root/etc/." "$live/etc/"
  rm -rf "$live/etc/lost+found"
  mount --bind "$live/etc" "$live/root/etc"
fi
mount -t tmpfs -o mode=755 tmpfs /run
echo ready
exec cat >/dev/null
"""


class Sandbox:
    """The namespaces, mounts and cgroups in which one container lives. Needs root."""

    def __init__(self, directory: Path, mask: Path, lower: Path, etc: str = "overlay") -> None:
        """Mounts `mask` over `lower` at `directory`/root, writable, seen only by what `command` starts.

        With `etc` other than `overlay`, /etc is a mount of its own, of that file system.
        """
        self.live = directory
        self.root = directory / "root"
        self._cgroups: list[Path] = []
        self._keeper = subprocess.Popen(
            [
                *("unshare", "--net", "--mount", "--propagation", "private"),
                *("--pid", "--fork", "--kill-child", "--mount-proc"),
                *("sh", "-c", _KEEPER, "keeper", str(directory), str(mask), str(lower), etc),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            self._await_ready()
            self.keeper_pid = children(self._keeper.pid)[0]
            self._cgroups = _make_cgroups()
        except BaseException:
            self.close()
            raise

    def _await_ready(self) -> None:
        assert self._keeper.stdout is not None and self._keeper.stderr is not None
        os.set_blocking(self._keeper.stdout.fileno(), False)
        deadline = time.monotonic() + _SETUP_LIMIT
        while self._keeper.stdout.readline() != b"ready\n":
            if self._keeper.poll() is not None:
                reason = self._keeper.stderr.read().decode(errors="replace")
                raise MachineError(f"mounting the container's root: {reason}")
            if time.monotonic() > deadline:
                raise MachineError("mounting the container's root took too long")
            time.sleep(0.005)

    def command(self, argv: Sequence[str]) -> list[str]:
        """Returns the host command that runs `argv` inside, in cgroups of its own."""
        join = 'for c; do shift; [ "$c" = -- ] && break; echo $$ >"$c/cgroup.procs"; done; exec "$@"'
        enter = ["nsenter", "--target", str(self.keeper_pid), "--mount", "--pid"]
        return ["sh", "-c", join, "join", *map(str, self._cgroups), "--", *enter, *argv]

    def make_tap(self, name: str) -> int:
        """Makes a network device in the network namespace inside, and returns its other end."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            enter = ["nsenter", "--target", str(self.keeper_pid), "--net"]
            fd = theirs.fileno()
            argv = [*enter, sys.executable, "-I", str(_TAP), str(fd), name]
            done = subprocess.run(argv, pass_fds=(fd,), capture_output=True, timeout=_SETUP_LIMIT, check=False)
            if done.returncode != 0:
                raise MachineError(f"making a network device: {done.stderr.decode(errors='replace')}")
            return socket.recv_fds(ours, 16, 1)[1][0]

    def remove_cgroups(self) -> None:
        """Removes the cgroups that the container made. Only when it has ended."""
        for cgroup in self._cgroups:
            remove_cgroup(cgroup, keep_top=True)

    def close(self) -> None:
        """Ends every process inside and removes mounts and cgroups."""
        kill_group(self._keeper)
        for pipe in (self._keeper.stdin, self._keeper.stdout, self._keeper.stderr):
            if pipe is not None:
                pipe.close()
        for cgroup in self._cgroups:
            remove_cgroup(cgroup)
        self._cgroups = []


def children(pid: int) -> list[int]:
    """Returns the child processes of a process, of all its threads; none when it is gone."""
    found: list[int] = []
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return []
    for thread in threads:
        try:
            found += map(int, (thread / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _own_cgroups() -> list[Path]:
    """Returns this process's directories in the hierarchies that systemd uses: the unified one, and `name=systemd`."""
    hierarchies: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "name=systemd"):
            hierarchies[controllers] = path
    found: dict[str, Path] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        root, mount_point = before.split()[3:5]
        kind, _, options = after.split()[:3]
        key = "" if kind == "cgroup2" else "name=systemd"
        wanted = kind == "cgroup2" or (kind == "cgroup" and key in options.split(","))
        if wanted and key in hierarchies:
            inner = os.path.relpath(hierarchies[key], root)
            found[key] = Path(mount_point) / ("" if inner.startswith("..") else inner)
    return list(found.values())


def _make_cgroups() -> list[Path]:
    made: list[Path] = []
    name = f"{_PREFIX}-{os.getpid()}-{time.monotonic_ns()}"
    for base in _own_cgroups():
        _remove_stale(base)
        (base / name).mkdir()
        made.append(base / name)
    return made


def _remove_stale(base: Path) -> None:
    """Removes cgroups of drivers that were killed before they could."""
    for path in base.glob(f"{_PREFIX}-*"):
        match = re.fullmatch(rf"{_PREFIX}-(\d+)-\d+", path.name)
        if match and not Path(f"/proc/{match[1]}").exists():
            remove_cgroup(path)


def remove_cgroup(top: Path, keep_top: bool = False) -> None:
    """Removes a cgroup tree, waiting briefly for dying processes to leave it; one that stays in use is left."""
    deadline = time.monotonic() + 2.0
    while True:
        busy = False
        for directory, _, _ in os.walk(top, topdown=False):
            if keep_top and Path(directory) == top:
                continue
            try:
                os.rmdir(directory)
            except FileNotFoundError:
                continue
            except OSError:
                busy = True
        if not busy or time.monotonic() > deadline:
            return
        time.sleep(0.01)
