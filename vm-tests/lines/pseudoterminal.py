"""A pseudo-terminal of another devpts, such as a container's, and a process of the host that runs on it."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import termios
from collections.abc import Sequence
from pathlib import Path

from base.process import kill_group

_CHUNK = 1 << 16
_UNLOCK = 0x40045431  # TIOCSPTLCK
_OTHER_END = 0x5441  # TIOCGPTPEER: opens it in the devpts of the first end, whatever is mounted here


class Pseudoterminal:
    """What a process on a terminal shows, and a way to type. Ends with the process, not with the last user."""

    def __init__(self, devpts: Path, argv: Sequence[str], size: tuple[int, int]) -> None:
        """Starts `argv`, whose input and output are a new terminal of `devpts`; it makes that its own by itself."""
        self._fd = os.open(devpts / "ptmx", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(self._fd, _UNLOCK, struct.pack("i", 0))
        self.resize(*size)
        far = fcntl.ioctl(self._fd, _OTHER_END, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            self._process = subprocess.Popen(argv, stdin=far, stdout=far, stderr=far, start_new_session=True)
        finally:
            os.close(far)
        self._exit_watch = os.pidfd_open(self._process.pid)
        self._untyped = b""

    def watched(self) -> list[int]:
        """Returns the terminal and the process."""
        return [self._fd, self._exit_watch]

    def take(self) -> bytes | None:
        """Returns what was shown; None once the process has ended and all was returned."""
        self.give(b"")
        ended = self._process.poll() is not None
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            data = b""
        except OSError:
            return None  # nobody has the other end open
        return None if ended and not data else data

    def give(self, data: bytes) -> None:
        """Types, now or when the process has read more of what was typed before."""
        self._untyped += data
        try:
            self._untyped = self._untyped[os.write(self._fd, self._untyped) :]
        except OSError:
            pass  # the terminal is full, or nobody has the other end open, which `take` sees

    def resize(self, rows: int, columns: int) -> None:
        """Sets the size, of which the foreground process is told."""
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def close(self) -> None:
        """Hangs up, and ends the process if it still runs."""
        os.close(self._fd)
        os.close(self._exit_watch)
        kill_group(self._process)
