"""The host's terminal, left to something in a machine: raw, so that every key goes there, and put back in any case."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

_CHUNK = 1 << 12
_TICK = 0.2
_LEAVE = b"\x1d" * 3

LEAVING = "Ctrl-] three times leaves it."
"""What to tell whoever sits before a terminal that is passed on."""


class Line(Protocol):
    """The far end: what is typed goes in, and what it shows comes out."""

    def watched(self) -> list[int]:
        """Returns the descriptors that become readable when there is something to `take`."""

    def take(self) -> bytes | None:
        """Returns what has come, perhaps nothing; None when the far end has ended. Doesn't wait."""

    def give(self, data: bytes) -> None:
        """Passes on what was typed, or, with no data, that nothing more will come."""

    def resize(self, rows: int, columns: int) -> None:
        """Says that the terminal has another size."""


def window_size() -> tuple[int, int]:
    """Returns the rows and columns of the terminal at standard input; a usual size where there is none."""
    try:
        columns, rows = os.get_terminal_size(sys.stdin.fileno())
    except OSError:
        return 24, 80
    return rows, columns


@contextmanager
def _raw(fd: int) -> Iterator[None]:
    """Makes a terminal pass on every key, Ctrl-C too, and puts it back; does nothing to what is no terminal."""
    if not os.isatty(fd):
        yield
        return
    before = termios.tcgetattr(fd)
    try:
        tty.setraw(fd)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def relay(line: Line) -> None:
    """Connects standard input and output with `line`, until that ends, or is left by its keys."""
    source, target = sys.stdin.fileno(), sys.stdout.fileno()
    sys.stdout.flush()
    size, typed, reading, at_terminal = window_size(), b"", True, os.isatty(source)
    with _raw(source):
        while True:
            readable, _, _ = select.select([*line.watched(), *([source] if reading else [])], [], [], _TICK)
            shown = line.take()
            if shown is None:
                return
            _write(target, shown)
            if (now := window_size()) != size:
                size = now
                line.resize(*size)
            if source in readable:
                data = _read(source)
                typed = (typed + data)[-len(_LEAVE) :]
                if at_terminal and (typed == _LEAVE or not data):
                    return
                reading = bool(data)
                line.give(data)


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, _CHUNK)
    except OSError:
        return b""  # a terminal whose window is gone


def _write(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
