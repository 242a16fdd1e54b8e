"""What systemd itself says about its jobs: the signals on the bus, and the kinds of job in the journal."""

from __future__ import annotations

import json
from collections import Counter
from types import TracebackType
from typing import Any

from api.systemd_api import SystemdMachine

_FILE = "/run/sm-jobs"
_BEGIN = "sm-begin-of-recording.service"
_END = "sm-end-of-recording.service"
_GET_UNIT = "org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager GetUnit s"


class JobRecorder:
    """Records the jobs that end inside a `with` block, of units whose name begins with a prefix.

    The signals give one entry a job, but not its kind. The journal gives the kind of each job that was worth a message;
    there a restart ends as two, `restart` for the way down and `start` for the way up.
    """

    def __init__(self, machine: SystemdMachine, prefix: str = "sm-") -> None:
        """Makes a recorder; nothing runs until the block begins."""
        self._machine = machine
        self._prefix = prefix
        self._cursor = ""
        self.jobs: Counter[str] = Counter()
        self.kinds: set[tuple[str, str]] = set()
        self.reloads = 0

    def __enter__(self) -> JobRecorder:
        machine = self._machine
        command = f"exec busctl monitor --json=short org.freedesktop.systemd1 >{_FILE}"
        machine.succeed(f"rm -f {_FILE}", f"systemd-run --quiet --unit=recorder sh -c '{command}'")
        self._await_call(_BEGIN)
        self._cursor = machine.succeed("journalctl -q -n 0 --show-cursor | sed -n 's/^-- cursor: //p'").strip()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        machine = self._machine
        # A call on the same bus comes after all that was said before it.
        self._await_call(_END)
        for line in machine.succeed(f"cat {_FILE}").splitlines():
            if line.startswith("{"):
                self._take_message(json.loads(line))
        machine.succeed("systemctl stop recorder.service", "journalctl --sync")
        options = f"-q -o json --output-fields=UNIT,JOB_TYPE,JOB_RESULT --after-cursor='{self._cursor}'"
        for line in machine.succeed(f"journalctl {options} _PID=1").splitlines():
            entry = json.loads(line)
            unit = str(entry.get("UNIT", ""))
            if "JOB_RESULT" in entry and unit.startswith(self._prefix):
                self.kinds.add((unit, str(entry["JOB_TYPE"])))

    def _await_call(self, unit: str) -> None:
        """Calls systemd about a unit that there isn't, until the recording has it."""
        call = f"busctl call {_GET_UNIT} {unit} 2>/dev/null || true"
        self._machine.wait_until_succeeds(f"{call}; grep -q {unit} {_FILE}")

    def __str__(self) -> str:
        return f"jobs {dict(self.jobs)}, kinds {sorted(self.kinds)}, {self.reloads} daemon-reloads"

    def services(self, kind: str) -> set[str]:
        """Returns the services that had a job of a kind; other units' jobs have no message of their own."""
        return {unit for unit, job in self.kinds if job == kind and unit.endswith(".service")}

    def _take_message(self, message: dict[str, Any]) -> None:
        if message.get("type") != "signal":
            return
        if message.get("member") == "Reloading" and message["payload"]["data"][0]:
            self.reloads += 1
        if message.get("member") == "JobRemoved":
            _, _, unit, _ = message["payload"]["data"]
            if unit.startswith(self._prefix):
                self.jobs[unit] += 1


def predicted(plan: dict[str, Any], prefix: str = "sm-") -> Counter[str]:
    """Returns how many jobs each unit gets by the plan of `plan --json`."""
    actions = [a for verb in ("stop", "reload", "restart", "along", "start") for a in plan["units"][verb]]
    assert all(action["reason"] for action in actions), actions
    return Counter(action["unit"] for action in actions if action["unit"].startswith(prefix))


def units_of(plan: dict[str, Any], verb: str, prefix: str = "sm-") -> list[str]:
    """Returns the units that a plan acts on by one verb."""
    return sorted(action["unit"] for action in plan["units"][verb] if action["unit"].startswith(prefix))


def services(plan: dict[str, Any], verb: str) -> set[str]:
    """Returns the services that a plan acts on by one verb."""
    return {unit for unit in units_of(plan, verb) if unit.endswith(".service")}
