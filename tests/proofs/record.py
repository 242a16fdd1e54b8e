"""The record of what was tried, in docs/reliability.md."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import known
from tally import Tally
from world import PROJECT

DOCUMENT = PROJECT / "docs/reliability.md"

_ROW = re.compile(r"^\| `(\w+)` \|.*\n", re.MULTILINE)
_NOTE = re.compile(r"^- `(\w+)`: .*\n", re.MULTILINE)
_BEGIN, _END = "<!-- proofs -->\n", "<!-- /proofs -->"


def record(tally: Tally, seconds: float, document: Path = DOCUMENT) -> None:
    """Writes what came of a proof into the table, in place of what was there."""
    text = document.read_text()
    head, rest = text.split(_BEGIN)
    table, tail = rest.split(_END)
    rows = {match[1]: match[0] for match in _ROW.finditer(table)}
    title = table[: table.index("| --- |")] + "| --- | --- | --- | --- | --- | --- | --- |\n"
    commit = subprocess.run(["git", "describe", "--always"], cwd=PROJECT, capture_output=True, text=True, check=False)
    counts = f"{tally.tried:,} | {len(tally.found):,} | {tally.known.total():,} | {seconds / 60:.0f} min"
    rows[tally.name] = (
        f"| `{tally.name}` | {time.strftime('%Y-%m-%d', time.gmtime())} | {commit.stdout.strip() or '-'} | {counts} |\n"
    )
    notes = {match[1]: match[0] for match in _NOTE.finditer(table)}
    notes.pop(tally.name, None)
    if tally.notes:
        notes[tally.name] = f"- `{tally.name}`: {'; '.join(tally.notes)}\n"
    below = "\n" + "".join(notes.values()) if notes else ""
    document.write_text(head + _BEGIN + title + "".join(rows.values()) + below + _END + tail)


def unnamed() -> list[str]:
    """Returns what is known and not mended, but is not in the document."""
    text = " ".join(DOCUMENT.read_text().split())
    return [name for name in known.KNOWN if name not in text]
