"""What the proofs find and nobody has mended yet: such findings are counted, and fail nothing.

Each has a line in docs/reliability.md. Whoever mends one takes it out here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

KNOWN: dict[str, re.Pattern[str]] = {}


def name_of(details: Sequence[str]) -> str | None:
    """Returns what the finding is known as, if all that is wrong is known."""
    names = [next((name for name, pattern in KNOWN.items() if pattern.search(line)), None) for line in details]
    return names[0] if names and all(names) else None
