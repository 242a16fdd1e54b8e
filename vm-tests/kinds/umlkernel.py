"""The User-mode Linux kernel: fetched from a Debian mirror, and tried on this processor before a machine relies on it.

Kernels before 6.13 keep a fixed number of registers per process, and die on processors that have more (AMX). Which
suite has a kernel that runs is not known beforehand, so the stable ones are tried first, and then what is newer.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from base.errors import MachineUnavailable
from base.process import LEASH, kill_group, run
from images.cache import cached
from images.rootimage import mirror

_SUITES = ("bookworm", "trixie", "testing", "sid")
_PACKAGES = "user-mode-linux,base-files,busybox-static"
_FETCH_LIMIT = 600.0
_PROBE_LIMIT = 20.0

_INIT = """\
#!/bin/busybox sh
echo THE PROBE RAN
exec /bin/busybox poweroff -f
"""

# Runs in a mount namespace of its own: the kernel's tree becomes the root, and the host is at /host. The kernel keeps
# the machine's memory in a file, which must be on a tmpfs that lets programs run; a host's /dev/shm need not be that.
_ENTER = """\
tree=$1; shift
mount --rbind / "$tree/host" && mount --rbind /dev "$tree/dev" && mount -t proc proc "$tree/proc" &&
mount -t tmpfs -o mode=1777,exec,size=100% tmpfs "$tree/tmp" &&
exec env TMPDIR=/tmp chroot "$tree" linux.uml "$@"
"""


def kernel_command(*options: str) -> list[str]:
    """Returns what runs a kernel with `options`, to be started under `LEASH`. Fetches the kernel if it is not there."""
    return _command(_kernel_tree(), options)


def _command(tree: Path, options: tuple[str, ...]) -> list[str]:
    return ["sh", "-c", _ENTER, "enter", str(tree), *options]


def _kernel_tree() -> Path:
    """Returns a root with a kernel that runs here, making it if it is not in the cache: half a minute, 200 MB."""
    flags = re.search(r"^flags\s*:.*$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    recipe = f"{_SUITES} {_PACKAGES} {_INIT} {_ENTER} {os.uname().release} {flags and flags[0]}"
    directory = cached("uml-kernel", recipe, _fetch_one_that_runs)
    if not (directory / "root").is_dir():
        reason = (directory / "reason").read_text()
        raise MachineUnavailable(f"{reason}; to try again, run: rm -r {directory} && vm-tests/run --kind uml")
    return directory / "root"


def _fetch_one_that_runs(directory: Path) -> None:
    """Leaves `root`, or, where every suite's kernel was fetched and none runs, the `reason`."""
    reasons, complete = [], True
    for suite in _SUITES:
        tree = directory / suite
        if lacking := _fetch(suite, tree):
            reasons.append(f"that of {suite} can't be fetched ({lacking})")
            complete = False
        elif trouble := _probe(tree):
            reasons.append(f"that of {suite} does not run ({trouble})")
        else:
            tree.rename(directory / "root")
            return
        shutil.rmtree(tree, ignore_errors=True)
    reason = f"there is no User-mode Linux kernel that runs here: {'; '.join(reasons)}"
    if not complete:
        raise MachineUnavailable(f"{reason}; to try again, run: MIRROR=URL vm-tests/run --kind uml")
    (directory / "reason").write_text(reason)


def _fetch(suite: str, tree: Path) -> str | None:
    """Unpacks the kernel's package and its C library into `tree`; says what is wrong if that can't be done."""
    argv = [
        *LEASH,
        *("mmdebstrap", "--quiet", "--variant=extract", "--mode=root", "--format=directory"),
        *(f"--include={_PACKAGES}", '--aptopt=Acquire::Check-Valid-Until "false"'),
        *(suite, str(tree), f"deb {mirror()} {suite} main"),
    ]
    done = run(argv, _FETCH_LIMIT, env=dict(os.environ))
    if done.status != 0:
        lines = [line for line in done.errors.splitlines() if line.startswith("E: ")]
        return (lines or [f"mmdebstrap exited with {done.status}"])[0].removeprefix("E: ")
    for name in ("host", "dev", "proc", "tmp"):
        (tree / name).mkdir(exist_ok=True)
    (tree / "probe").write_text(_INIT)
    (tree / "probe").chmod(0o755)
    return None


def _probe(tree: Path) -> str | None:
    """Boots the kernel until its first process has spoken: a second. Says what went wrong, if it did."""
    options = ("mem=64M", "rootfstype=hostfs", "rootflags=/", "ro", "init=/probe", "con0=null,fd:1", "con=null")
    with tempfile.NamedTemporaryFile(prefix="machine-probe-") as output:
        process = subprocess.Popen(
            [*LEASH, *_command(tree, options)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + _PROBE_LIMIT
            while time.monotonic() < deadline:
                ended = process.poll() is not None
                said = Path(output.name).read_text(errors="replace")
                if "THE PROBE RAN" in said:
                    return None
                if panic := re.search(r"Kernel panic[^\n]*", said):
                    return panic[0].strip()
                if ended:
                    return f"it ended at once: {said[-200:].strip()}"
                time.sleep(0.02)
        finally:
            kill_group(process)
    return f"it says nothing for {_PROBE_LIMIT:g} seconds"
