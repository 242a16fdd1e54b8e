"""The distribution's own judges: what they said before the test, and what they say that is new after it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from api.machine import DEFAULT_TIMEOUT, Machine
from base.errors import MachineError, RequestedAssertionFailed
from judges.snapshot import run_python

# Asks all judges at once. Configuration files of packages are compared with the package manager's own records, which
# takes a moment; its own look at all files takes seconds to minutes.
_ASK = r"""
import hashlib, json, os, shutil, subprocess, sys
asked = json.loads(sys.argv[1])
begun = {}
def begin(name, *command):
    if shutil.which(command[0]):
        begun[name] = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                       errors="replace")
begin("pwck", "pwck", "-r")
begin("grpck", "grpck", "-r")
begin("failed", "systemctl", "list-units", "--failed", "--plain", "--no-legend", "--full", "--all")
begin("conffiles", "dpkg-query", "--show", "--showformat=${Conffiles}\n")
top = "/etc/systemd/system"
names = asked["units"]
if asked["ours"] and os.path.isdir(top):
    ours = (e.name for e in os.scandir(top) if e.is_symlink() and os.readlink(e.path).startswith("/nix/store/"))
    names = sorted({*names, *(n for n in ours if "@." not in n and os.path.isfile(f"{top}/{n}"))})
if names:
    begin("verify", "systemd-analyze", "verify", "--man=no", *names)
if asked["complete"]:
    begin("dpkg", "dpkg", "--verify")
    begin("rpm", "rpm", "--verify", "--all")
else:
    begin("rpm", "rpm", "--verify", "--all", "--configfiles")
said = {}
for name, process in begun.items():
    output = process.communicate()[0]
    said[name] = [process.returncode, output]
changed = []
for line in said.get("conffiles", [0, ""])[1].splitlines():
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
if "conffiles" in said and said["conffiles"][0] == 0:
    said["conffiles"][1] = ""
json.dump({"said": said, "conffiles": changed}, sys.stdout)
"""

_QUICK_LIMIT = 300.0


@dataclass(frozen=True)
class Judgement:
    """The complaints of each judge."""

    accounts: frozenset[str]
    groups: frozenset[str]
    failed_units: frozenset[str]
    conffiles: frozenset[str]
    packaged: frozenset[str]
    """Files of packages, configuration or not, that are not as packaged; none where nobody was asked."""
    units: frozenset[str]
    """What `systemd-analyze verify` says."""


def changed_files(report: str, *, configuration: bool | None = None) -> frozenset[str]:
    """Returns the files of a report of `rpm --verify` or `dpkg --verify` whose content is not the packaged one. Pure.

    A line has nine flags or the word `missing`, a letter for the kind of file (`c` for configuration), and a path.
    """
    changed = set()
    for line in report.splitlines():
        found = re.fullmatch(r"(missing|[A-Z0-9.?]{9}) +(?:([cdglmnr]) )? *(/.*?)(?: \(.*\))?", line)
        if found and (found[1] == "missing" or found[1][2] == "5") and configuration in (None, found[2] == "c"):
            changed.add(found[3])
    return frozenset(changed)


def judge(machine: Machine, *, complete: bool = False, units: Iterable[str] = (), our_units: bool = False) -> Judgement:
    """Asks the judges. Reads only. Of the package managers, the one that the distribution has is asked.

    Of packages only configuration files are looked at, unless the judgement is `complete`. `our_units` are all that are
    links into the store.
    """
    asked = {"complete": complete, "units": list(units), "ours": our_units}
    limit = DEFAULT_TIMEOUT if complete else _QUICK_LIMIT
    with machine.nested("asking the judges"):
        answer = json.loads(run_python(machine, _ASK, json.dumps(asked), timeout=limit))
    said: dict[str, tuple[int, str]] = {name: (status, text) for name, (status, text) in answer["said"].items()}
    for name in ("failed", "conffiles"):
        status, text = said.get(name, (0, ""))
        if status != 0:
            raise MachineError(f"{machine.name}: one of the judges can't be asked (exit code {status}): {text}")
    report = said.get("dpkg", said.get("rpm", (0, "")))[1]
    conffiles = frozenset(answer["conffiles"])
    if "rpm" in said and "dpkg" not in said:
        conffiles |= changed_files(report, configuration=True)
    if asked["units"] and "verify" not in said:
        raise MachineError(f"{machine.name}: there is no `systemd-analyze`")
    return Judgement(
        accounts=_complaints(machine, "pwck", said),
        groups=_complaints(machine, "grpck", said),
        failed_units=frozenset(line.split()[0] for line in said["failed"][1].splitlines() if line.strip()),
        conffiles=conffiles,
        packaged=changed_files(report) if complete else frozenset(),
        units=_verified(said.get("verify", (0, ""))),
    )


def complaints(now: Judgement, baseline: Judgement) -> list[str]:
    """Returns what is said `now` and was not in `baseline`, a line each. Pure."""
    return [
        *(f"pwck: {line}" for line in sorted(now.accounts - baseline.accounts)),
        *(f"grpck: {line}" for line in sorted(now.groups - baseline.groups)),
        *(f"failed unit: {unit}" for unit in sorted(now.failed_units - baseline.failed_units)),
        *(f"changed conffile: {path}" for path in sorted(now.conffiles - baseline.conffiles)),
        *(f"changed packaged file: {path}" for path in sorted(now.packaged - baseline.packaged - now.conffiles)),
        *(f"systemd-analyze: {line}" for line in sorted(now.units - baseline.units)),
    ]


def verdict(
    machine: Machine,
    baseline: Judgement,
    units: Iterable[str] = (),
    accepted: Sequence[str] = (),
    *,
    complete: bool = False,
) -> None:
    """Raises with every complaint that is not in `baseline`, and those of `systemd-analyze verify` on `units`.

    Complaints with a text of `accepted` in them don't count. A `complete` one wants a baseline that was.
    """
    pronounce(machine, complaints(judge(machine, complete=complete, units=units), baseline), accepted)


def pronounce(machine: Machine, news: Sequence[str], accepted: Sequence[str] = ()) -> None:
    """Raises with the complaints, but for those with a text of `accepted` in them."""
    news = [line for line in news if not any(text in line for text in accepted)]
    if news:
        raise RequestedAssertionFailed(f"{machine.name}: the verdict\n" + "\n".join(news))


def _complaints(machine: Machine, checker: str, said: dict[str, tuple[int, str]]) -> frozenset[str]:
    """Returns what a checker says; one that fails without a word, or is missing, is an error."""
    if checker not in said:
        raise MachineError(f"{machine.name}: there is no `{checker}`")
    status, output = said[checker]
    if status not in (0, 2):
        raise RequestedAssertionFailed(f"{machine.name}: `{checker} -r` exited {status}: {output}")
    lines = (line.strip() for line in output.splitlines())
    return frozenset(line for line in lines if line and "no changes" not in line)


def _verified(said: tuple[int, str]) -> frozenset[str]:
    status, output = said
    lines = frozenset(line for line in output.splitlines() if line.strip())
    return lines or (frozenset({f"exit code {status}"}) if status else frozenset())


class Watch:
    """Judges a machine when it is first up, and says at any time what came to be since then."""

    def __init__(self, machine: Machine, known: dict[object, Judgement] | None = None, key: object = None) -> None:
        """Takes the judgement of a machine that was the same from `known`, or leaves there what is said of this one."""
        self._machine = machine
        self._known = {} if known is None else known
        self._key = key
        machine.when_up.append(self._begin)

    def _begin(self) -> None:
        if self._key not in self._known:
            self._known[self._key] = judge(self._machine, our_units=True)

    def complaints(self) -> list[str]:
        """Asks the judges, of our units too. Nothing is said of a machine that was never up or is not."""
        if self._key not in self._known or not self._machine.is_up():
            return []
        return complaints(judge(self._machine, our_units=True), self._known[self._key])
