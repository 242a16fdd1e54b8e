"""One log for the driver and all machines: a line per action, on stderr, with the time since the start."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_START = time.monotonic()

serial_shown = threading.Event()
"""Whether lines of consoles are in the log."""


def log(message: str, source: str = "driver") -> None:
    """Writes each line of `message`, marked with where it comes from."""
    elapsed = time.monotonic() - _START
    for line in message.rstrip("\n").split("\n"):
        print(f"[{elapsed:8.2f}] {source}: {line}", file=sys.stderr, flush=True)


def log_serial(message: str, source: str) -> None:
    """Writes what came from a machine's console, unless that is off."""
    if serial_shown.is_set():
        log(message, f"{source} # console")


@contextmanager
def nested(message: str, source: str = "driver") -> Iterator[None]:
    """Logs the beginning and the duration of a block."""
    log(message, source)
    begin = time.monotonic()
    try:
        yield
    finally:
        log(f"(finished: {message}, in {time.monotonic() - begin:.2f} seconds)", source)


@contextmanager
def subtest(name: str) -> Iterator[None]:
    """Groups a part of a test under a name; a failure in it is logged with that name, and is still a failure."""
    with nested(f"subtest: {name}"):
        try:
            yield
        except BaseException as error:
            log(f"subtest failed: {name}: {error}")
            raise
