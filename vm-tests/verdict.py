"""The distribution's own judges: what they said before the test, and what they say that is new after it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from errors import RequestedAssertionFailed
from machine import Machine
from snapshot import run_python

# Configuration files of packages whose content is not the packaged one. Reads the package manager's own records.
_CONFFILES = r"""
import hashlib, json, subprocess, sys
query = ["dpkg-query", "--show", "--showformat=${Conffiles}\n"]
listing = subprocess.run(query, capture_output=True, text=True, check=True)
changed = []
for line in listing.stdout.splitlines():
    words = line.rsplit(" obsolete", 1)[0].split()
    if len(words) != 2 or words[1] == "newconffile":
        continue
    try:
        with open(words[0], "rb") as stream:
            digest = hashlib.md5(stream.read(), usedforsecurity=False).hexdigest()
    except OSError as error:
        digest = error.strerror
    if digest != words[1]:
        changed.append(words[0])
json.dump(changed, sys.stdout)
"""


_RPM_LIMIT = 300.0


@dataclass(frozen=True)
class Judgement:
    """The complaints of each judge."""

    accounts: frozenset[str]
    groups: frozenset[str]
    failed_units: frozenset[str]
    conffiles: frozenset[str]


def changed_by_rpm(report: str) -> frozenset[str]:
    """Returns the files of a report of `rpm --verify` whose content is not the packaged one. Pure.

    A line has nine flags or the word `missing`, a letter for the kind of file (`c` for configuration), and a path.
    """
    changed = set()
    for line in report.splitlines():
        found = re.fullmatch(r"(missing|[A-Z0-9.?]{9}) +(?:[cdglmnr] )? *(/.*?)(?: \(.*\))?", line)
        if found and (found[1] == "missing" or found[1][2] == "5"):
            changed.add(found[2])
    return frozenset(changed)


def judge(machine: Machine) -> Judgement:
    """Asks the judges. Reads only. Of the package managers, the one that the distribution has is asked."""
    failed = machine.succeed("systemctl list-units --failed --plain --no-legend --full --all")
    changed = "[]"
    if machine.execute("command -v dpkg-query")[0] == 0:
        changed = run_python(machine, _CONFFILES)
    elif machine.execute("command -v rpm")[0] == 0:
        # It exits with the number of complaints.
        report = machine.execute("rpm --verify --all --configfiles", timeout=_RPM_LIMIT)[1]
        changed = json.dumps(sorted(changed_by_rpm(report)))
    return Judgement(
        accounts=_complaints(machine, "pwck -r"),
        groups=_complaints(machine, "grpck -r"),
        failed_units=frozenset(line.split()[0] for line in failed.splitlines() if line.strip()),
        conffiles=frozenset(json.loads(changed)),
    )


def verdict(machine: Machine, baseline: Judgement, units: Iterable[str] = (), accepted: Sequence[str] = ()) -> None:
    """Raises with every complaint that is not in `baseline`, and those of `systemd-analyze verify` on `units`.

    Complaints with a text of `accepted` in them don't count.
    """
    now = judge(machine)
    news = [
        *(f"pwck: {line}" for line in sorted(now.accounts - baseline.accounts)),
        *(f"grpck: {line}" for line in sorted(now.groups - baseline.groups)),
        *(f"failed unit: {unit}" for unit in sorted(now.failed_units - baseline.failed_units)),
        *(f"changed conffile: {path}" for path in sorted(now.conffiles - baseline.conffiles)),
        *(f"systemd-analyze: {line}" for line in _verify(machine, units)),
    ]
    news = [line for line in news if not any(text in line for text in accepted)]
    if news:
        raise RequestedAssertionFailed(f"{machine.name}: the verdict\n" + "\n".join(news))


def _complaints(machine: Machine, command: str) -> frozenset[str]:
    """Returns what a checker says; one that fails without a word, or is missing, is an error."""
    status, output = machine.execute(f"{command} 2>&1")
    if status not in (0, 2):
        raise RequestedAssertionFailed(f"{machine.name}: `{command}` exited {status}: {output}")
    lines = (line.strip() for line in output.splitlines())
    return frozenset(line for line in lines if line and "no changes" not in line)


def _verify(machine: Machine, units: Iterable[str]) -> list[str]:
    names = " ".join(map(shlex.quote, units))
    if not names:
        return []
    status, output = machine.execute(f"systemd-analyze verify --man=no {names} 2>&1")
    lines = [line for line in output.splitlines() if line.strip()]
    return lines or ([f"exit code {status}"] if status else [])
