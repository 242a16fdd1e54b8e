"""The record of NixOS modules that ran: which test showed it, on which distribution. `compat` prints it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

RECORD = Path(__file__).resolve().parents[2] / "nixos-compat/report/runs.json"


@dataclass(frozen=True, order=True)
class Run:
    """A module that a test started, used, reconfigured and removed."""

    module: str
    """Its path below `nixos/modules`."""
    distribution: str
    nixpkgs: str
    """The release of the nixpkgs that the module is from."""
    kind: str
    test: str


def read_runs(path: Path = RECORD) -> set[Run]:
    """Reads the record; one that is not there is empty."""
    return {Run(**entry) for entry in json.loads(path.read_text())} if path.exists() else set()


def merge(known: Iterable[Run], ran: Iterable[tuple[Run, bool]]) -> set[Run]:
    """Returns what is known after some runs, each with whether it passed. A test counts as it went last. Pure."""
    outcome = dict(ran)
    passed = {run for run, well in outcome.items() if well}
    return {run for run in known if run not in outcome} | passed


def render(runs: Iterable[Run]) -> str:
    """Renders the record as JSON, sorted. Pure."""
    return json.dumps([asdict(run) for run in sorted(runs)], indent=2) + "\n"


def record(ran: Iterable[tuple[Run, bool]], path: Path = RECORD) -> None:
    """Writes how tests went into the record."""
    path.write_text(render(merge(read_runs(path), ran)))
