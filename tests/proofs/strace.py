"""The system calls of a run, by strace."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import inject
from inject import Injection
from world import World

_CHANGING = """
    write pwrite64 writev rename renameat renameat2 unlink unlinkat symlink symlinkat link linkat mkdir mkdirat rmdir
    chmod fchmod fchmodat fchmodat2 chown lchown fchown fchownat utimensat setxattr lsetxattr fsetxattr removexattr
    lremovexattr fremovexattr ftruncate truncate fallocate copy_file_range sendfile openat fsync fdatasync flock fcntl
"""
CHANGING = frozenset(_CHANGING.split())
"""What may change the disk, or say that it is changed; of `openat` what may create, of `fcntl` what locks."""

_READING = """
    read pread64 open stat lstat fstat newfstatat statx readlink readlinkat getdents64 access faccessat faccessat2
    flistxattr llistxattr listxattr fgetxattr lgetxattr getxattr fstatfs statfs lseek dup fcntl mmap pipe2 clone3
    vfork poll wait4 openat2 socket connect
"""
READING = frozenset(_READING.split())
"""What only looks; a fault there must not become a wrong belief."""

FAULTS = ("ENOSPC", "EIO", "EROFS", "EDQUOT", "EMFILE", "ENOMEM", "EACCES", "EINTR")

_CALL = re.compile(r"^(\w+)\((.*)$", re.DOTALL)


@dataclass(frozen=True)
class Call:
    """One system call of the program itself."""

    name: str
    number: int
    """Which of those with this name, from 1."""
    words: str
    """Its arguments and result, as strace shows them."""
    failed: str | None
    """The error that it ended with."""

    def __str__(self) -> str:
        """Says which it is, and what it was for."""
        return f"{self.name} #{self.number} ({self.words[:90].strip()})"


def is_missing() -> str | None:
    """Returns why nothing can be injected here, and what to do."""
    if shutil.which("strace") is None:
        return "there is no strace; run with: apt-get install strace"
    return inject.is_missing()


def trace(world: World, *arguments: str) -> list[Call]:
    """Runs the program and returns its system calls after the loader's, in their order."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        ran = world.run(*arguments, before=["strace", "-qq", "-s", "64", "-o", str(log)], limit=120)
        if ran.code not in (0, 4):
            raise RuntimeError(f"`{' '.join(arguments)}` can't be traced: {ran.said}")
        lines = log.read_text(errors="replace").splitlines()
    counts: Counter[str] = Counter()
    calls, is_own = [], False
    for line in lines:
        match = _CALL.match(line)
        if not match:
            continue
        name, words = match[1], match[2]
        counts[name] += 1
        # The first thing of its own that the program opens is below its root.
        is_own = is_own or (str(world.root) in words and name != "execve")
        if is_own:
            failed = re.search(r"= -1 (E\w+)", words)
            calls.append(Call(name, counts[name], words, failed[1] if failed else None))
    return calls


def changing(calls: Sequence[Call]) -> list[Call]:
    """Returns the calls that change something on the disk."""
    return [call for call in calls if call.name in CHANGING and call.failed is None and _changes(call)]


def injectable(calls: Sequence[Call]) -> list[Call]:
    """Returns the calls in which a fault can be injected: those that change something, and those that look."""
    return [call for call in calls if (call.name in CHANGING and _changes(call)) or call.name in READING]


def killing(call: Call) -> Injection:
    """Returns what kills the program on entering this call."""
    return Injection(call.name, call.number, None)


def failing(call: Call, fault: str) -> Injection:
    """Returns what makes this call fail, once."""
    return Injection(call.name, call.number, fault)


def _changes(call: Call) -> bool:
    if call.name == "openat":
        return "O_CREAT" in call.words
    if call.name == "fcntl":
        return "F_SETLK" in call.words
    if call.name in ("write", "writev"):
        return not call.words.startswith(("1,", "2,"))
    return True
