"""What the proofs find and nobody has mended yet: such findings are counted, and fail nothing.

Each has a line in docs/reliability.md. Whoever mends one takes it out here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

KNOWN: dict[str, re.Pattern[str]] = {
    "copies that an interrupted run has made stay in the backups": re.compile(r"backups/ .*: is .*must be None$"),
    "a rollback that is repeated after an interruption goes one further, or finds none": re.compile(
        r"exits with 1: error: there is no generation to roll back to"
    ),
    "locks of the account databases stay": re.compile(r"^etc/\w+\.(lock|\d+): is .*must be None$"),
    "what was to become an account database stays": re.compile(r"^etc/[\w-]+\+: is .*must be None$"),
    "a file that says that a user lingers, cut short, stays beside its place": re.compile(
        r"linger/\w+\+: is .*must be None$"
    ),
    "a home that was made and not yet given to its user stays root's": re.compile(r"^home/\w+: is .*folder 0700 0:0"),
    "the record forgets that accounts were given, when a run is cut short after they were": re.compile(
        r'^[-+]  "accounts": (true|false),$'
    ),
    "a link that was to be renamed stays beside its place": re.compile(
        r"/\.system-manager-[0-9a-f]{16}: is .*must be None$"
    ),
    "an error of flushing names no folder": re.compile(r"the error has no path: error: flushing a folder to disk"),
    "a lock without a pid, as a power cut leaves it, is taken for a living one": re.compile(
        r"another program holds it for more than 15 seconds"
    ),
}


def name_of(details: Sequence[str]) -> str | None:
    """Returns what the finding is known as, if all that is wrong is known."""
    names = [next((name for name, pattern in KNOWN.items() if pattern.search(line)), None) for line in details]
    return names[0] if names and all(names) else None
