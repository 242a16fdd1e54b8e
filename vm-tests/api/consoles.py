"""The consoles of machines, for people: in the log as they come, and typed into."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from api.machine import Machine
from base import log

_TICK = 0.1


class Consoles:
    """Logs what machines write to their consoles, while that is on."""

    def __init__(self, machines: Sequence[Machine]) -> None:
        """Follows `machines`, those that are added later too. Off."""
        self._machines = machines
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def on(self) -> None:
        """Logs each line from now on."""
        if self._thread is not None:
            return
        for machine in self._machines:
            machine.new_console_lines()
        log.serial_shown.set()
        self._stopped.clear()
        self._thread = threading.Thread(target=self._follow, name="consoles", daemon=True)
        self._thread.start()

    def off(self) -> None:
        """Logs no more lines than those that were written already."""
        if self._thread is None:
            return
        self._stopped.set()
        self._thread.join()
        self._thread = None
        self._log_new()
        log.serial_shown.clear()

    def _follow(self) -> None:
        while not self._stopped.wait(_TICK):
            self._log_new()

    def _log_new(self) -> None:
        for machine in list(self._machines):
            for line in machine.new_console_lines():
                machine.log_serial(line)


class ConsoleLine:
    """A console as the far end of a terminal. Ends with the machine, or with the input."""

    def __init__(self, console: Path, keyboard: IO[bytes], is_alive: Callable[[], bool]) -> None:
        """Shows what is written to the file `console` from now on."""
        self._stream = console.open("rb")
        self._stream.seek(0, 2)
        self._keyboard = keyboard
        self._is_alive = is_alive
        self._ended = False

    def watched(self) -> list[int]:
        """Returns nothing: a file is always readable."""
        return []

    def take(self) -> bytes | None:
        """Returns what is new; None when the machine is off."""
        new = self._stream.read()
        return None if not new and (self._ended or not self._is_alive()) else new

    def give(self, data: bytes) -> None:
        """Types."""
        self._ended = not data
        try:
            self._keyboard.write(data)
            self._keyboard.flush()
        except BrokenPipeError:
            self._ended = True

    def resize(self, rows: int, columns: int) -> None:
        """Does nothing: a serial line has no size."""

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()
