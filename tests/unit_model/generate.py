"""Random pairs of generations with a host's state, dense enough that the rules meet each other."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

Json = dict[str, Any]

SERVICES = ["a.service", "b.service", "db.service", "foo.service", "web.service", "vendor.service"]
INSTANCES = ["t@1.service", "t@2.service", "t@x.socket"]
TEMPLATES = ["t@.service", "t@.socket"]
TARGETS = ["multi-user.target", "app.target", "sockets.target", "suspend.target", "timers.target"]
OTHERS = [
    "foo.socket", "x.socket", "t.socket", "a.timer", "b.path", "s.slice", "mnt.mount", "-.mount", "nix.mount",
    "mnt.automount", "z.swap",
]  # fmt: skip
NAMES = SERVICES + INSTANCES + TARGETS + OTHERS
ALIASES = ["alias.service", "other.service", "b.service", "default.target"]
WORDS = ["yes", "no", "true", "false", "1", "0", "on", "off", "Yes", "y", "perhaps", ""]

UNIT_FLAGS = [
    "RefuseManualStart", "RefuseManualStop", "X-OnlyManualStart", "X-StopOnRemoval", "X-StopOnReconfiguration",
]  # fmt: skip
UNIT_QUIET = [
    "Description", "Documentation", "OnFailure", "OnSuccess", "OnFailureJobMode", "IgnoreOnIsolate",
    "StopWhenUnneeded", "AllowIsolate", "CollectMode", "SourcePath",
]  # fmt: skip
UNIT_KEYS = ["X-Restart-Triggers", "X-Reload-Triggers", "After", "ConditionPathExists"]
BONDS = ["Requires", "Requisite", "BindsTo", "PartOf", "Wants", "Upholds"]
SERVICE_FLAGS = [
    "X-RestartIfChanged", "X-ReloadIfChanged", "X-StopIfChanged", "X-NotSocketActivated", "RemainAfterExit",
]  # fmt: skip
SERVICE_KEYS = ["ExecStart", "ExecStop", "ExecReload", "User", "Environment", "CapabilityBoundingSet"]
SECTION_OF = {
    "service": "Service", "socket": "Socket", "mount": "Mount", "automount": "Automount", "timer": "Timer",
    "path": "Path", "slice": "Slice", "swap": "Swap", "target": "Unit",
}  # fmt: skip


class Generator:
    """Makes cases from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def chance(self, p: float) -> bool:
        """Is true with a probability."""
        return self.random.random() < p

    def assignment(self, kind: str) -> tuple[str, str, str]:
        """Gives a section, a key and a value."""
        r = self.random
        dice = r.random()
        value = r.choice(["1", "2", "3", "a b", "", "x=y", "é"])
        if dice < 0.07:
            return "Unit", r.choice(UNIT_QUIET), value
        if dice < 0.19:
            return "Unit", r.choice(UNIT_KEYS), value
        if dice < 0.29:
            return "Unit", r.choice(UNIT_FLAGS), r.choice(WORDS)
        if dice < 0.34:
            return (
                "Unit",
                "X-SwitchMethod",
                r.choice(["reload", "restart", "stop-start", "keep-old", "keep", "later", ""]),
            )
        if dice < 0.42:
            return "Unit", r.choice(BONDS), " ".join(r.sample(NAMES + ["alias.service"], r.randint(1, 2)))
        if dice < 0.45:
            return "Install", "WantedBy", r.choice(TARGETS)
        if dice < 0.47:
            return "X-Own", "Key", value
        section = SECTION_OF[kind]
        if kind == "mount":
            return section, r.choice(["What", "Options", "Type"]), value
        if kind == "socket":
            return section, r.choice(["ListenStream", "Service"]), r.choice(SERVICES)
        if kind != "service":
            return section, r.choice(["OnCalendar", "After"]), value
        dice = r.random()
        if dice < 0.4:
            return section, r.choice(SERVICE_FLAGS), r.choice(WORDS)
        if dice < 0.5:
            return section, "Type", r.choice(["oneshot", "simple", "notify-reload", "forking", ""])
        if dice < 0.58:
            return section, "Sockets", r.choice(["foo.socket", "x.socket", "foo.socket x.socket", ""])
        return section, r.choice(SERVICE_KEYS), value

    def lines(self, kind: str) -> list[list[str]]:
        """Gives the assignments of a new unit."""
        lines = [list(self.assignment(kind)) for _ in range(self.random.randint(0, 5))]
        if kind == "service" and self.chance(0.8):
            lines += [["Service", "ExecStart", "1"], ["Service", "ExecReload", "1"]]
        return lines

    def render(self, lines: list[list[str]]) -> str | list[int]:
        """Writes assignments, with the noise that must not matter, sometimes with bytes that are no text."""
        r = self.random
        noise = r.random() < 0.15
        end = "\r\n" if noise and self.chance(0.3) else "\n"
        text, now = ("\ufeff" if noise and self.chance(0.1) else ""), None
        for section, key, value in lines:
            if section != now or (noise and self.chance(0.1)):
                text, now = f"{text}[{section}]{end}", section
            if noise:
                text += r.choice(["", "", "# x=y \\\n", ";[Unit]\n", "  \n", "no assignment\n", "=x\n", "\t"])
                gap = r.choice(["", " ", "\t "])
                value = value.replace(" ", r.choice([" ", "\\\n", "\\\n# between\n  "]))
                text += f"{key}{gap}={gap}{value}{r.choice(['', ' ', chr(9)])}{end}"
            else:
                text += f"{key}={value}\n"
        if noise:
            text += r.choice(["", "[", "[Broken\nA=1\n", "\\", "[Unit]\nDescription=a\\\\\n", "[Unit]\nAfter=\\\n"])
        if self.chance(0.02):
            return [*text.encode(), *r.choice([b"\n[Service]\nUser=\xff", b"\n[Service]\nUser=\xfe", b"\xff"])]
        return text

    def body(self, lines: list[list[str]]) -> Json | str:
        """Gives a file or a mask."""
        return "masked" if self.chance(0.06) else {"text": self.render(lines)}

    def unit(self, name: str) -> Json:
        """Gives a new unit."""
        kind = name.rpartition(".")[2]
        foreign = self.chance(0.5) if name in INSTANCES else self.chance(0.9 if name == "vendor.service" else 0.12)
        unit: Json = {"lines": None if foreign else self.lines(kind), "dropins": {}}
        for _ in range(2):
            if self.chance(0.3 if foreign else 0.08):
                unit["dropins"][self.random.choice(["a.conf", "b.conf"])] = self.lines(kind)
        for link, p in (("wantedBy", 0.5), ("requiredBy", 0.08), ("upheldBy", 0.05)):
            pool = TARGETS[:3] if self.chance(0.8) else NAMES
            unit[link] = [self.random.choice(pool)] if self.chance(p) else []
        unit["aliases"] = [self.random.choice(ALIASES)] if self.chance(0.08) else []
        return unit

    def mutate(self, name: str, unit: Json) -> Json | None:
        """Gives what becomes of a unit."""
        r, kind = self.random, name.rpartition(".")[2]
        unit = copy.deepcopy(unit)
        dice = r.random()
        if dice < 0.3:
            return unit
        if dice < 0.4:
            return None
        if dice < 0.5:
            return self.unit(name)
        for link in ("wantedBy", "upheldBy"):
            if self.chance(0.1):
                unit[link] = [r.choice(TARGETS)]
        if self.chance(0.1):
            unit["dropins"] = {"a.conf": self.lines(kind)} if self.chance(0.5) else {}
        for lines in [unit["lines"], *unit["dropins"].values()]:
            for _ in range(r.randint(0, 2) if lines is not None else 0):
                if lines and self.chance(0.6):
                    at = r.randrange(len(lines))
                    if self.chance(0.3):
                        del lines[at]
                    else:
                        lines[at] = [*lines[at][:2], r.choice([*WORDS, "1", "2", "3"])]
                else:
                    lines.insert(r.randint(0, len(lines)), list(self.assignment(kind)))
        return unit

    def finish(self, units: dict[str, Json]) -> Json:
        """Renders a generation."""
        done: Json = {}
        for name, unit in units.items():
            links = {k: unit[k] for k in ("wantedBy", "requiredBy", "upheldBy", "aliases")}
            main = None if unit["lines"] is None else self.body(unit["lines"])
            dropins = {n: self.body(lines) for n, lines in unit["dropins"].items()}
            done[name] = {"main": main, "dropins": dropins, **links}
        return done

    def live_unit(self, name: str, managed: bool) -> Json:
        """Gives what systemd says of a unit."""
        r = self.random
        states = ["active"] * 12 + ["inactive"] * 4 + ["failed", "failed", "activating", "reloading", "deactivating"]
        origins = (["ours"] * 12 if managed else ["below"] * 8) + ["ours", "below", "above", "nowhere"]
        unit: Json = {"activeState": r.choice(states), "subState": "x", "origin": r.choice(origins)}
        unit["stopsWith"] = r.sample(NAMES, 1) if self.chance(0.15) else []
        unit["refusesManualStart"] = self.chance(0.04)
        unit["following"] = "x.device" if self.chance(0.02) and not name.endswith(".target") else ""
        unit["names"] = [name, *([r.choice(ALIASES)] if self.chance(0.05) else [])]
        return unit

    def case(self) -> Json:
        """Gives one case."""
        r = self.random
        pool = NAMES + TEMPLATES
        old = {name: self.unit(name) for name in r.sample(pool, r.randint(0, 6))}
        new = {name: unit for name, before in old.items() if (unit := self.mutate(name, before)) is not None}
        for name in r.sample(pool, r.randint(0, 3)):
            new.setdefault(name, self.unit(name))
        dice = r.random()
        if dice < 0.04:
            new = {}
        elif dice < 0.1:
            new = copy.deepcopy(old)
        told_old = self.finish(old)
        told_new = {
            name: told_old[name] if old.get(name) == new[name] and self.chance(0.95) else told
            for name, told in self.finish(new).items()
        }
        known = [n for n in NAMES if n in old or n in new]
        loaded = known + [n for n in NAMES if n not in known and self.chance(0.2)] + ["s-1.scope"] * self.chance(0.1)
        live = {n: self.live_unit(n, n in old and old[n]["lines"] is not None) for n in loaded if self.chance(0.9)}
        for target in TARGETS[:3]:
            if self.chance(0.6) and target in live:
                live[target]["activeState"] = "active"
        seeds = {
            verb: [n for n in known if self.chance(0.25)] if self.chance(0.2) else []
            for verb in ("start", "restart", "reload")
        }
        options = {"restartSockets": self.chance(0.3), "startActiveTargets": self.chance(0.15)}
        return {
            "old": told_old,
            "new": told_new,
            "live": live,
            "seeds": {**seeds, "daemonReload": self.chance(0.03)},
            "options": options,
        }
