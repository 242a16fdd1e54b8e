"""Conditions that must hold all the while a part of a test runs."""

from __future__ import annotations

import time
from collections.abc import Callable

from base.errors import RequestedAssertionFailed


class PollingCondition:
    """A condition that is checked now and then inside a `with` block. Any command or wait may raise its failure."""

    def __init__(
        self,
        condition: Callable[[], object],
        callbacks: list[list[Callable[[], None]]],
        interval: float,
        description: str | None,
    ) -> None:
        """Makes a condition that joins each list of `callbacks` (those of the machines) while its block runs."""
        self._condition = condition
        self._callbacks = callbacks
        self._interval = interval
        self._description = description or condition.__doc__ or getattr(condition, "__name__", "condition")
        self._next = 0.0
        self._busy = False

    def check(self) -> None:
        """Checks the condition if it is due. A condition fails by raising, or by returning False."""
        if self._busy or time.monotonic() < self._next:
            return
        self._busy = True
        try:
            holds = self._condition()
        finally:
            self._busy = False
            self._next = time.monotonic() + self._interval
        if holds is False:
            raise RequestedAssertionFailed(f"polling condition failed: {self._description}")

    def __enter__(self) -> None:
        for callbacks in self._callbacks:
            callbacks.append(self.check)

    def __exit__(self, *_: object) -> None:
        for callbacks in self._callbacks:
            callbacks.remove(self.check)
