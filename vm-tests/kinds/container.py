"""The container machine: systemd as PID 1 in systemd-nspawn, over an overlay of a stock root.

Real: systemd, the bus, logind, accounts, services. Not real: the kernel and what belongs to it (LSMs, udev, modules,
the clock), a reboot through firmware, and limits by cgroup controllers.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Literal

from api.machine import DEFAULT_TIMEOUT
from api.systemd_api import SystemdMachine
from base.errors import MachineError, MachineUnavailable
from base.process import Completed, kill_group, run, wait_for_exit
from images.rootfs import build_mask
from images.rootimage import root_of
from images.sandbox import Sandbox, children
from lines.login import ENVIRONMENT, login_argv, shell_argv
from lines.network import Network
from lines.pseudoterminal import Pseudoterminal

_BOOT_LIMIT = 60.0
_STOP_LIMIT = 10.0
_REBOOT_REQUESTED = 133
_EXITING = 0x4

# A process whose cgroup lies outside of the container can't be placed by a systemd of 257 or newer, which then refuses
# what it asks of logind. In the cgroups of version 1, the hierarchy that counts is systemd's own.
_JOIN = """
for folder in /sys/fs/cgroup/systemd /sys/fs/cgroup; do
  if [ -w "$folder/cgroup.procs" ]; then
    mkdir -p "$folder/driver" && echo 0 >"$folder/driver/cgroup.procs"
    break
  fi
done 2>/dev/null
exec "$@"
"""

# Only a child of what enters a process namespace is in it. nsenter's own fork would stop itself when the shutdown
# stops all processes to kill them, and never reap its child, for which the shutdown then waits.
_FORK = f'sh -c {shlex.quote(_JOIN)} join "$@"; exit $?'
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)

# A command that is entered from outside has the host's capabilities. These are what the container's PID 1 has not:
# root in the container must not be able to set the host's clock or load a module.
_DENIED = [
    "audit_read",
    "block_suspend",
    "bpf",
    "checkpoint_restore",
    "ipc_lock",
    "mac_admin",
    "mac_override",
    "perfmon",
    "sys_module",
    "sys_pacct",
    "sys_rawio",
    "sys_time",
    "syslog",
    "wake_alarm",
]


class Container(SystemdMachine):
    """A machine of the container kind. Needs root and systemd-nspawn."""

    kind = "container"

    def __init__(
        self,
        name: str = "machine",
        *,
        image: str = "host",
        out_dir: Path | None = None,
        cgroups: Literal["v1", "v2"] = "v2",
        etc: Literal["overlay", "tmpfs", "ext4", "xfs", "btrfs"] = "overlay",
        network: Network | None = None,
        nspawn_options: tuple[str, ...] = (),
    ) -> None:
        """Prepares a container over the root of `image` (see `rootimage`), which is never written to.

        With `etc` other than `overlay`, /etc is a mount of its own, of that file system.
        """
        if network is not None and not Path("/dev/net/tun").exists():
            raise MachineUnavailable("a network of containers needs /dev/net/tun; run with: modprobe tun")
        root = root_of(image)
        super().__init__(name, out_dir)
        self._options = nspawn_options
        self._unified = {"v1": "0", "v2": "1"}[cgroups]
        self._process: subprocess.Popen[bytes] | None = None
        self._leader: int | None = None
        self._allow_reboot = False
        self._background: list[subprocess.Popen[bytes]] = []
        mask, live = self.state_dir / "mask", self.state_dir / "live"
        mask.mkdir()
        live.mkdir()
        build_mask(mask, root, name)
        self._sandbox = Sandbox(live, mask, root, etc)
        if network is not None:
            self.network = network
            for device, port in zip(self._devices(), self.ports, strict=True):
                network.attach(port, self._sandbox.make_tap(device))

    # Lifecycle.

    def boot(self, allow_reboot: bool = False) -> None:
        """Boots the container, or does nothing when it runs."""
        self._allow_reboot = allow_reboot
        if self._process is not None and self._process.poll() is None:
            return
        self.log("starting container")
        self._launch()

    def _launch(self) -> subprocess.Popen[bytes]:
        self._forget()
        argv = [
            *("systemd-nspawn", "--quiet", "--settings=no", "--keep-unit", "--register=no"),
            *("--link-journal=no", "--resolv-conf=off", "--timezone=off"),
            # The keeper's, which is there over all boots.
            *("--network-namespace-path=/proc/1/ns/net", "--capability=CAP_NET_ADMIN"),
            *("--console=read-only", f"--machine={self.name}"),
            *(f"--directory={self._sandbox.root}", *self._options, "--boot"),
        ]
        with self.console.open("ab") as console:
            self._process = subprocess.Popen(
                self._sandbox.command(argv),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
                env={
                    **os.environ,
                    "UNIFIED_CGROUP_HIERARCHY": self._unified,
                    # Parameters of the network are the machine's own.
                    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
                },
            )
        self.started = True
        return self._process

    @property
    def leader(self) -> int:
        """The process whose namespaces are those of the machine, over all of its boots."""
        return self._sandbox.keeper_pid

    def connect(self) -> None:
        """Waits until PID 1 has reached basic.target: bus, temporary files and sockets are there."""
        if self._process is None:
            if self.started:
                raise self._die("the machine is off; `start` boots it")
            self.boot()
        process = self._process
        assert process is not None
        if self._leader is not None and not _is_alive(self._leader):
            wait_for_exit(process, _STOP_LIMIT)
        if self._allow_reboot and process.poll() == _REBOOT_REQUESTED:
            process = self._launch()
        if self._leader is not None:
            self._require_alive()
            return
        begin = time.monotonic()
        while not self._booted():
            if (status := process.poll()) is not None:
                raise self._die(f"the machine ended while booting (exit code {status})")
            if time.monotonic() - begin > _BOOT_LIMIT:
                raise self._die(f"the machine did not boot within {_BOOT_LIMIT:g} seconds")
            time.sleep(0.02)
        self.log(f"connected after {time.monotonic() - begin:.2f} seconds")
        self.on_boot(self._devices())

    def _devices(self) -> list[str]:
        return [f"eth{number}" for number, _ in enumerate(self.ports, 1)]

    def _booted(self) -> bool:
        leader = self._find_leader()
        if leader is None or not Path(f"/proc/{leader}/root/run/systemd/private").exists():
            return False
        state = run(self._enter(leader, ["systemctl", "is-active", "basic.target"]), _STOP_LIMIT)
        if state.status == 0:
            self._leader = leader
        return state.status == 0

    def _find_leader(self) -> int | None:
        """Finds the host's process id of the container's PID 1: the one that is process 1 in a third namespace."""
        assert self._process is not None
        queue = [self._process.pid]
        depth = len(_namespace_pids(self._sandbox.keeper_pid)) + 1
        while queue:
            pid = queue.pop()
            pids = _namespace_pids(pid)
            if len(pids) == depth and pids[-1] == 1:
                return pid
            queue += children(pid)
        return None

    def is_up(self) -> bool:
        """Whether the container has booted and is not about to end."""
        return self._leader is not None and self._running()

    def is_lost(self) -> bool:
        """Whether the container has ended and the test has not asked for that."""
        return self._process is not None and not self._running()

    def _running(self) -> bool:
        ended = self._process is None or self._process.poll() is not None
        return not ended and (self._leader is None or _is_alive(self._leader))

    def _require_alive(self) -> None:
        if not self.is_up():
            raise self._die("the machine is gone")

    def wait_for_shutdown(self, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Waits until the container has powered off."""
        if self._process is None:
            return
        with self.nested("waiting for the machine to power off"):
            if not wait_for_exit(self._process, timeout):
                raise self._die(f"the machine did not power off within {timeout:g} seconds")
        self._forget()

    def reboot(self, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Stops all units, ends PID 1, and boots again with the same root. The kernel stays: it is the host's."""
        with self.nested("rebooting"):
            self.execute("systemctl --no-block reboot", check_output=False)
            assert self._process is not None
            if not wait_for_exit(self._process, timeout):
                raise self._die(f"the machine did not go down within {timeout:g} seconds")
            self._launch()
            self.connect()

    def crash(self) -> None:
        """Kills every process in the container at once.

        No unit stops in order, and volatile files (/run, /tmp) are lost. It is not a power cut: whatever a process
        has written is still there after the next `start`, flushed or not.
        """
        self.log("crash: killing the container")
        self._forget()

    def _forget(self) -> None:
        """Ends what is left of the last boot."""
        if self._process is not None:
            leader = self._leader or self._find_leader()
            if leader is not None and _is_alive(leader):
                _kill(leader)
            if not wait_for_exit(self._process, _STOP_LIMIT):
                kill_group(self._process)
            self._process = None
        self._leader = None
        for process in self._background:
            kill_group(process)
        self._background = []
        self._sandbox.remove_cgroups()

    def release(self) -> None:
        """Kills the container, and removes its mounts, cgroups and files."""
        try:
            self._forget()
        finally:
            self._sandbox.close()
            shutil.rmtree(self.state_dir)

    # Commands and files.

    def _enter(self, leader: int, argv: list[str]) -> list[str]:
        bounds = "--bounding-set=" + ",".join(f"-{name}" for name in _DENIED)
        settings = [f"{key}={value}" for key, value in ENVIRONMENT.items()]
        namespaces = ["nsenter", "--target", str(leader), "--all", "--root", "--wd", "--no-fork"]
        return ["setpriv", bounds, *namespaces, "env", "-i", *settings, "sh", "-c", _FORK, "fork", *argv]

    def _guest(self, argv: list[str]) -> list[str]:
        self.connect()
        assert self._leader is not None
        return self._enter(self._leader, argv)

    def run_script(self, script: str, timeout: float) -> Completed:
        """Runs a bash script in the container's namespaces."""
        done = run(self._guest(login_argv(script)), timeout)
        self._judge(done)
        return done

    def _judge(self, done: Completed) -> None:
        """Raises if a command may have ended as it did because the machine ended."""
        if done.status in _KILLED:
            # The kernel kills all processes of the container just before PID 1 is seen to be gone.
            assert self._process is not None
            wait_for_exit(self._process, 0.5)
        if done.status != 0:
            assert self._leader is not None
            if _is_shutting_down(self._leader):
                raise self._die("the machine is shutting down")
            self._require_alive()

    def spawn_script(self, script: str, timeout: float) -> None:
        """Starts a bash script and comes back."""
        limit = ["timeout", "--signal=KILL", str(timeout)]
        self._background.append(
            subprocess.Popen(
                self._guest([*limit, *login_argv(script)]),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )

    def unpack(self, archive: Path, directory: str) -> None:
        """Streams a tar file into the container."""
        target = shlex.quote(directory)
        script = f"umask 022; mkdir -p {target} && tar -C {target} --numeric-owner -xpf -"
        with archive.open("rb") as stream:
            done = run(self._guest(["bash", "-c", script]), DEFAULT_TIMEOUT, stdin=stream)
        self._judge(done)
        if done.status != 0:
            raise MachineError(f"{self.name}: unpacking into `{directory}`: {done.errors}")

    def pack(self, directory: str, member: str, archive: Path) -> None:
        """Streams a tar file out of the container."""
        done = run(self._guest(["tar", "-C", directory, "-cf", "-", member]), DEFAULT_TIMEOUT)
        self._judge(done)
        if done.status != 0:
            raise MachineError(f"{self.name}: packing `{directory}/{member}`: {done.errors}")
        archive.write_bytes(done.stdout)

    def open_shell(self, size: tuple[int, int], term: str) -> AbstractContextManager[Pseudoterminal]:
        """Starts a shell on a terminal of the container's own."""
        argv = self._guest(["env", f"TERM={term}", *shell_argv(self.search_path, at_terminal=True)])
        return closing(Pseudoterminal(Path(f"/proc/{self._leader}/root/dev/pts"), argv, size))

    def feed_shell(self) -> None:
        """Runs a shell on this process's standard input and output."""
        sys.stdout.flush()
        done = subprocess.run(self._guest(shell_argv(self.search_path, at_terminal=False)), check=False)
        self._judge(Completed(done.returncode, b"", b""))

    @property
    def shared_dir(self) -> Path:
        """The machine's /tmp/shared, as the host sees it."""
        self.succeed("mkdir -p /tmp/shared")
        return Path(f"/proc/{self._leader}/root/tmp/shared")


def _namespace_pids(pid: int) -> list[int]:
    """Returns the process's ids from the host's namespace inwards; none when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    line = next((line for line in status.splitlines() if line.startswith("NSpid:")), "NSpid:")
    return [int(word) for word in line.split()[1:]]


def _is_alive(pid: int) -> bool:
    """Whether a process runs and has not begun to exit: its files close before the others in its namespace die."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return fields[0] not in "ZX" and not int(fields[6]) & _EXITING


def _is_shutting_down(pid: int) -> bool:
    """Whether PID 1 has become the program that terminates all processes and unmounts all file systems."""
    try:
        return Path(f"/proc/{pid}/comm").read_text() == "systemd-shutdow\n"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it ended by itself
