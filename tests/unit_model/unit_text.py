"""Unit files as the model reads them: systemd.syntax(7), and what a difference asks for (section 2.3 of the rules)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

BLANK = " \t\r\n"
TRUE = {"1", "yes", "y", "true", "t", "on"}
FALSE = {"0", "no", "n", "false", "f", "off"}

IGNORED = frozenset(
    ("Unit", key)
    for key in (
        "Description",
        "Documentation",
        "OnFailure",
        "OnSuccess",
        "OnFailureJobMode",
        "IgnoreOnIsolate",
        "StopWhenUnneeded",
        "RefuseManualStart",
        "RefuseManualStop",
        "AllowIsolate",
        "CollectMode",
        "SourcePath",
    )
)
RELOAD_UNLESS_REMOVED = frozenset({("Unit", "X-Reload-Triggers"), ("Service", "ExecReload")})
RELOAD_IF_CHANGED = frozenset({("Mount", "Options")})


def without_continuations(text: str) -> list[str]:
    """Gives the lines that count: no comments, continued lines joined by a space."""
    lines = [line.removesuffix("\r").lstrip(BLANK) for line in text.split("\n")]
    kept = [line for line in lines if not line.startswith(("#", ";"))]
    joined: list[str] = []
    open_line = False
    for line in kept:
        if open_line:
            joined[-1] += line
        else:
            joined.append(line)
        match = re.search(r"\\+\Z", joined[-1])
        open_line = match is not None and len(match[0]) % 2 == 1
        if open_line:
            joined[-1] = joined[-1][:-1] + " "
    return joined


@dataclass
class UnitText:
    """The assignments of a unit and its drop-ins."""

    values: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    @staticmethod
    def read(texts: Iterable[bytes]) -> UnitText:
        """Reads the file and its drop-ins in order; bytes are taken as Latin-1, so that all of them differ."""
        unit = UnitText()
        for raw in texts:
            section: str | None = None
            for line in without_continuations(raw.removeprefix(b"\xef\xbb\xbf").decode("latin-1")):
                line = line.strip(BLANK)
                if line.startswith("["):
                    section = line[1:-1] if line.endswith("]") and len(line) > 1 else None
                    continue
                key, equals, value = line.partition("=")
                key, value = key.strip(BLANK), value.strip(BLANK)
                if section is None or not equals or not key:
                    continue
                where = (section, key)
                if value == "":
                    unit.values[where] = [""]
                else:
                    unit.values[where] = [v for v in unit.values.get(where, []) if v] + [value]
        return unit

    def all(self, section: str, key: str) -> list[str]:
        """Gives the values in force."""
        return [v for v in self.values.get((section, key), []) if v]

    def words(self, section: str, *keys: str) -> set[str]:
        """Gives the words of the values of some keys."""
        return {w for key in keys for v in self.all(section, key) for w in re.split(f"[{BLANK}]+", v) if w}

    def last(self, section: str, key: str) -> str | None:
        """Gives the last value."""
        values = self.all(section, key)
        return values[-1] if values else None

    def yes(self, section: str, key: str, default: bool = False) -> bool:
        """Reads a boolean."""
        word = (self.last(section, key) or "").lower()
        return True if word in TRUE else False if word in FALSE else default

    @property
    def pulls(self) -> set[str]:
        """Gives what its start pulls in."""
        return self.words("Unit", "Wants", "Requires", "Upholds", "BindsTo")

    @property
    def bonds(self) -> set[str]:
        """Gives the units whose stop stops it."""
        return self.words("Unit", "Requires", "Requisite", "BindsTo", "PartOf")


def difference(old: UnitText, new: UnitText) -> str:
    """Gives `equal`, `reload` or `restart`."""
    verdict = "equal"
    for where in old.values.keys() | new.values.keys():
        before, after = old.values.get(where), new.values.get(where)
        if before == after or where in IGNORED or where[0] == "Install":
            continue
        if where in RELOAD_UNLESS_REMOVED:
            if after is not None:
                verdict = "reload"
        elif where in RELOAD_IF_CHANGED and before is not None and after is not None:
            verdict = "reload"
        else:
            return "restart"
    return verdict
