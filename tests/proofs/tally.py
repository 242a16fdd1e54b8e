"""Counts what was tried, and keeps what was found."""

from __future__ import annotations

import random
import re
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, TypeVar

import known
from world import Failed, World

Case = TypeVar("Case")

_SHOWN = 25


class Tally:
    """What came of one proof."""

    def __init__(self, name: str, seed: int, minutes: float | None, only: str | None = None) -> None:
        """Begins; after so many minutes no new case does. `only` is a word of what is tried."""
        self.name = name
        self._only = only
        self.minutes = minutes
        self.tried = 0
        self.found: list[str] = []
        self.kinds: Counter[str] = Counter()
        self.known: Counter[str] = Counter()
        self.notes: list[str] = []
        self._seed = seed
        self._deadline = time.monotonic() + minutes * 60 if minutes else None
        self._lock = threading.Lock()

    def chance(self, *key: Any) -> random.Random:
        """Returns chance that is the same for the same seed and key."""
        return random.Random(f"{self._seed} {key}")

    def some(self, cases: Sequence[Case], count: int | None, *key: Any) -> list[Case]:
        """Returns all cases, or so many of them by chance, in their order."""
        if count is None or count >= len(cases):
            return list(cases)
        return [cases[index] for index in sorted(self.chance(*key).sample(range(len(cases)), count))]

    def wants(self, name: str) -> bool:
        """Whether something of this name is to be tried."""
        return self._only is None or self._only in name

    def is_over(self) -> bool:
        """Whether the time is used up."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def each(
        self,
        worlds: Sequence[World],
        cases: Sequence[Case],
        check: Callable[[World, Case], None],
        describe: Callable[[Case], str],
    ) -> None:
        """Checks each case in one of the worlds."""

        def one(world: World, case: Case) -> None:
            if not self.is_over():
                self.count(lambda: check(world, case), lambda: describe(case))

        side_by_side(worlds, cases, one)

    def count(self, check: Callable[[], None], describe: Callable[[], str]) -> None:
        """Counts a case, and keeps what it found."""
        problem = name = None
        try:
            check()
        except Failed as failed:
            problem, name = f"{describe()}: {failed}", known.name_of(failed.details)
        except Exception:
            problem = f"{describe()}: the proof itself failed: {traceback.format_exc()}"
        with self._lock:
            self.tried += 1
            if name is not None:
                self.known[name] += 1
            elif problem is not None:
                self.found.append(problem)
                kind = _kind_of(problem)
                self.kinds[kind] += 1
                # One of each kind is shown, and no more than can be read.
                if self.kinds[kind] == 1 and len(self.kinds) <= _SHOWN:
                    print(f"FOUND {self.name}: {problem}", flush=True)

    def summary(self, seconds: float) -> str:
        """Returns the lines that sum up."""
        lines = [f"KNOWN {self.name}: {name}: {times} times" for name, times in self.known.most_common()]
        lines += [f"NOTE {self.name}: {note}" for note in self.notes]
        kinds = f", of {len(self.kinds)} kinds" if self.found else ""
        passed = self.tried - len(self.found) - self.known.total()
        counts = f"{passed} passed, {len(self.found)} failed, 0 skipped, {self.known.total()} known"
        return "\n".join([*lines, f"{self.name}: {counts} in {seconds:.0f} s{kinds}"])


def side_by_side(worlds: Sequence[World], tasks: Sequence[Case], work: Callable[[World, Case], None]) -> None:
    """Does each task in one of the worlds, as many at the same time as there are worlds."""
    free: SimpleQueue[World] = SimpleQueue()
    for world in worlds:
        free.put(world)

    def one(task: Case) -> None:
        world = free.get()
        try:
            work(world, task)
        finally:
            free.put(world)

    with ThreadPoolExecutor(len(worlds)) as pool:
        list(pool.map(one, tasks))


def _kind_of(problem: str) -> str:
    """Returns what similar problems have in common: what is wrong, without the numbers and the texts."""
    wrong = problem.split(": ", 1)[1] if ": " in problem else problem
    return re.sub(r"\d+|'[^']*'|\"[^\"]*\"|Standing\([^)]*\)", "*", wrong)
