"""The User-mode Linux machine: a kernel of its own as a host process, without hardware help.

Real: the kernel, ext4, cgroups, security modules, reboots and power cuts. Not real: the stock kernel, the boot loader,
hardware.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
from pathlib import Path

from api.machine import DEFAULT_TIMEOUT
from base.errors import MachineError
from images.diskimage import disk_of
from kinds.agent_machine import AgentMachine
from kinds.umlkernel import kernel_command
from lines.network import Network

_PORT = "/dev/ttyS0"


class UserModeLinux(AgentMachine):
    """A machine of the User-mode Linux kind. Needs root (to build its disk) and mmdebstrap (to fetch its kernel)."""

    kind = "uml"
    time_factor = 4.0
    boot_limit = 180.0

    def __init__(
        self,
        name: str = "machine",
        *,
        image: str = "debian-12",
        out_dir: Path | None = None,
        memory: int = 1024,
        filesystem: str = "ext4",
        network: Network | None = None,
        kernel_options: tuple[str, ...] = (),
    ) -> None:
        """Prepares a machine with `memory` MiB whose disk is a copy-on-write layer over that of `image`.

        The root's `filesystem` is ext4, xfs or btrfs."""
        kernel, disk = kernel_command(), disk_of(image, _PORT, filesystem)
        super().__init__(name, out_dir)
        self._kernel = kernel
        self._disk = disk
        self._memory = memory
        self._options = kernel_options
        self.network = network
        self._shared = self.state_dir / "shared"
        self._shared.mkdir()

    def network_devices(self) -> list[str]:
        """Returns the names of User-mode Linux's devices."""
        return [f"vec{index}" for index, _ in enumerate(self.ports)]

    def launch(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        """Starts the kernel, with one end of a socket pair as its serial port."""
        ours, theirs = socket.socketpair()
        line = f"fd:{theirs.fileno()},fd:{theirs.fileno()}"
        argv = [
            *self._kernel,
            *(f"mem={self._memory}M", f"ubd0=/host{self.state_dir}/disk.cow,/host{self._disk}"),
            *("root=/dev/ubda", "rw", "con0=fd:0,fd:1", "con=null", f"ssl0={line}", "ssl=null"),
            *(f"umid={self.name}-{os.getpid()}", f"uml_dir=/host{self.state_dir}", f"hostfs=/host{self._shared}"),
            *self._options,
        ]
        fds = [theirs.fileno()]
        for device, port in zip(self.network_devices(), self.ports, strict=True):
            fds.append(port.line.fileno())
            argv.append(f"{device}:transport=fd,fd={port.line.fileno()},vec=0")
        with theirs:
            return self.spawn(argv, tuple(fds)), ours

    @property
    def shared_dir(self) -> Path:
        """The folder of the host that the machine has at /tmp/shared."""
        mounted = "mountpoint -q /tmp/shared || mount -t hostfs none /tmp/shared"
        self.succeed(f"mkdir -p /tmp/shared; {mounted}")
        return self._shared

    def unpack(self, archive: Path, directory: str) -> None:
        """Hands a tar file over through a directory that the kernel shares with the host."""
        shared = self._shared / "in.tar"
        shutil.copyfile(archive, shared)
        target = shlex.quote(directory)
        unpacking = f"mkdir -p {target} && tar -C {target} --numeric-owner -xpf $shared/in.tar"
        done = self.run_script(_with_shared(f"umask 022; {unpacking}"), DEFAULT_TIMEOUT)
        shared.unlink()
        if done.status != 0:
            raise MachineError(f"{self.name}: unpacking into `{directory}`: {done.errors}")

    def pack(self, directory: str, member: str, archive: Path) -> None:
        """Takes a tar file over through the same directory."""
        shared = self._shared / "out.tar"
        packing = f"tar -C {shlex.quote(directory)} -cf $shared/out.tar {shlex.quote(member)}"
        done = self.run_script(_with_shared(packing), DEFAULT_TIMEOUT)
        if done.status != 0:
            raise MachineError(f"{self.name}: packing `{directory}/{member}`: {done.errors}")
        shutil.move(shared, archive)


# A policy that is enforced knows nothing of hostfs, so the script is let through.
_SHARED = """\
set -eu
enforcing=/sys/fs/selinux/enforce
if [ -e $enforcing ]; then
  trap "echo $(cat $enforcing) >$enforcing" EXIT
  echo 0 >$enforcing
fi
shared=/mnt
mount -t hostfs none $shared
"""


def _with_shared(script: str) -> str:
    """Wraps a script so that $shared is the shared directory, mounted where only the script sees it."""
    return f"unshare --mount --propagation private bash -c {shlex.quote(_SHARED + script)}"
