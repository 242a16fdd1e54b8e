"""Proofs that take long: kills, faults, mutations, fuzzing, power cuts and races, each with a summary of its own.

    tests/proofs/run                      all of them, whole: takes hours
    tests/proofs/run --sample             a few seconds of each, as CI does
    tests/proofs/run kill faults          some of them

Exit codes: 0 nothing was found, 1 something was found, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import faults
import fuzz
import kill
import mutations
import power
import races
import record
import strace
from tally import Tally
from world import PROGRAM, World, worlds

Proof = Callable[[Sequence[World], Tally, int | None], None]

PROOFS: dict[str, tuple[Proof, Callable[[], str | None], int]] = {
    "kill": (kill.sweep, strace.is_missing, 40),
    "faults": (faults.sweep, strace.is_missing, 60),
    "mutations": (mutations.sweep, lambda: None, 200),
    "fuzz": (fuzz.sweep, fuzz.is_missing, 0),
    "power": (power.sweep, power.is_missing, 30),
    "races": (races.sweep, lambda: None, 10),
}
"""By name: what does it, why it can't be done here, and how many cases are a sample (0: there is none)."""


def main() -> int:
    """Runs the command line; returns the exit code."""
    options = _parse()
    if not Path(PROGRAM).exists():
        print(f"error: {PROGRAM} is not there\nhint: cargo build", file=sys.stderr)
        return 2
    if os.geteuid() != 0:
        print("SKIPPED proofs: they need root, since files have owners; run with: sudo tests/proofs/run")
        return 0
    if unnamed := record.unnamed():
        print(f"error: {record.DOCUMENT} does not name: {'; '.join(unnamed)}", file=sys.stderr)
        return 2
    found = 0
    for name in options.proofs or PROOFS:
        proof, lacking, few = PROOFS[name]
        why = lacking()
        if options.sample and not few:
            why = f"to build it takes longer than a sample may; run with: tests/proofs/run {name}"
        if why:
            print(f"SKIPPED {name}: {why}")
            continue
        begin = time.monotonic()
        tally = Tally(name, options.seed, options.minutes, options.only)
        with worlds(options.jobs) as places:
            proof(places, tally, few if options.sample else options.cases)
        seconds = time.monotonic() - begin
        print(tally.summary(seconds), flush=True)
        if options.record and options.only is None:
            record.record(tally, seconds)
        found += len(tally.found)
    return 1 if found else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/proofs/run", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("proofs", nargs="*", choices=[*PROOFS, []], metavar="PROOF", help=f"of {', '.join(PROOFS)}")
    parser.add_argument("--sample", action="store_true", help="a few cases of each, by chance")
    parser.add_argument("--cases", type=int, help="about so many cases of each, by chance (default: all)")
    parser.add_argument(
        "--minutes",
        type=float,
        help="begin no new case after so many minutes of each, or of each target of mutations and fuzz (default: 10)",
    )
    parser.add_argument("--only", help="only the scenes, targets or races whose name has this word; is not recorded")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at the same time")
    parser.add_argument("--record", action="store_true", help="write what came of it into docs/reliability.md")
    parser.add_argument("--seed", type=int, default=1, help="what chance begins with (default: 1)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
