"""How long a clone of a booted template takes until it answers a command. Called by `tests/bench/clone`."""

from __future__ import annotations

import contextlib
import io
import statistics
import sys
import time
from itertools import pairwise

from kinds import make_machine, missing

STEPS = ("made", "started", "first command", "second command")


def one_clone(image: str) -> list[float]:
    """Returns the seconds that each of `STEPS` took."""
    marks = [time.monotonic()]
    machine = make_machine("qemu", image=image)
    try:
        marks.append(time.monotonic())
        machine.start()
        marks.append(time.monotonic())
        for _ in range(2):
            machine.succeed("true")
            marks.append(time.monotonic())
    finally:
        machine.release()
    return [after - before for before, after in pairwise(marks)]


def main(rounds: int, image: str) -> None:
    """Prints the best and the median of each step, and of all until the first answer."""
    times = []
    for _ in range(rounds + 1):
        with contextlib.redirect_stderr(io.StringIO()):
            times.append(one_clone(image))
    columns = dict(zip(STEPS, zip(*times[1:], strict=True), strict=True))  # the first one reads the template
    columns["answers"] = tuple(sum(row[:3]) for row in times[1:])
    for step, seconds in columns.items():
        print(f"{step:16} best {min(seconds):.3f} s  median {statistics.median(seconds):.3f} s")


if __name__ == "__main__":
    chosen = sys.argv[2] if len(sys.argv) > 2 else "debian-12"
    if lacking := missing("qemu", chosen):
        sys.exit(lacking)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7, chosen)
