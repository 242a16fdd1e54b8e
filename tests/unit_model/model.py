"""An independent model of the unit switching rules, for comparison with the program's decision.

It is written from the rules alone (what NixOS's switch does to units), clause by clause, and shares nothing with the
program. Where it departs from NixOS on purpose, so does the program; these are all the departures:

| NixOS | here | why |
| --- | --- | --- |
| compares with the live unit folder | compares two generations | the live folder is the distro's too |
| starts every active target again | starts what an active target newly wants, or wants and has changed | what an
  administrator stopped stays stopped; `start_active_targets` gives NixOS's way |
| a stopped dependent comes back with its target | comes back by name | the targets are not started again |
| X-StopOnReconfiguration acts in every switch | only when some unit changed | a second switch does nothing |
| a socket of the new configuration marks its service as socket-activated | only if it is active or will be started | no
  target start brings the socket up later |
| a unit that no old generation had is never touched | taken over as a changed unit, or stopped when masked | on NixOS
  there is no other owner of a unit |
| drop-ins for units of others do not occur | a change of them is a change of the unit, which restarts in one job | there
  are such on a distro, and it restarts them so itself |
| an instance of a template of others stops with its last drop-in | it restarts | the distro's template goes on |
| a target or slice of others that is masked stops | it goes on | others are in it |
| a slice stops with its file | only when nothing goes on in it | a slice needs no file |
| X-Reload-Triggers that are gone do nothing | they reload a unit of the distro | what they spoke of has gone, too |
| reloads what cannot be reloaded | does nothing, or skips | it could only fail |
| stops units that refuse to be stopped, ignoring the error | leaves them; restarts a changed one once it may | the same |
| stops and starts units that refuse to be started | skips them | they would stay down |
| a changed oneshot of the distro is restarted at its work | it goes on, and its next start takes the change | an
  upgrade of packages must not be cut short |
| `-.mount` and `nix.mount` stop when they are gone | they stay | they can't |
| considers active and activating units | reloading and refreshing ones too | they run |
| restart list entries of gone units are restarted | dropped | they could only fail |
| no X-SwitchMethod | `[Unit] X-SwitchMethod` replaces the X-...IfChanged keys | users of home-manager know it |
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from unit_text import UnitText, difference

Json = dict[str, Any]
UP = {"active", "activating", "reloading", "refreshing"}
SLEEP = {"suspend.target", "hibernate.target", "hybrid-sleep.target"}
FIXED_MOUNTS = {"-.mount", "nix.mount"}


def to_bytes(text: str | list[int]) -> bytes:
    """Gives the bytes of a file as the cases carry it."""
    return text.encode() if isinstance(text, str) else bytes(text)


def split(name: str) -> tuple[str, str]:
    """Splits a unit name into stem and type."""
    stem, _, kind = name.rpartition(".")
    return stem, kind


def template(name: str) -> str | None:
    """Gives the template of an instance."""
    stem, kind = split(name)
    prefix, at, instance = stem.partition("@")
    return f"{prefix}@.{kind}" if at and instance else None


@dataclass
class Meaning:
    """What a generation makes of a name: absent, masked, file, foreign (only drop-ins or links)."""

    kind: str
    text: UnitText = field(default_factory=UnitText)

    @property
    def exists(self) -> bool:
        """Tells whether the unit can run."""
        return self.kind in {"file", "foreign"}


class Generation:
    """The units of one generation."""

    def __init__(self, units: Json) -> None:
        self.units = units
        self.meaning = cache(self._meaning)

    def true_name(self, name: str) -> str:
        """Resolves an alias."""
        same_type = [n for n in sorted(self.units) if split(n)[1] == split(name)[1]]
        owners = [n for n in same_type if name in self.units[n].get("aliases", [])]
        return name if name in self.units or not owners else owners[0]

    def _meaning(self, name: str) -> Meaning:
        name = self.true_name(name)
        layers = [self.units[n] for n in (template(name), name) if n is not None and n in self.units]
        if not layers:
            return Meaning("absent")
        mains = [layer["main"] for layer in layers if layer.get("main") is not None]
        texts: list[bytes] = []
        kind = "foreign"
        if mains:
            main = mains[-1]
            if main == "masked" or not to_bytes(main["text"]):
                return Meaning("masked")
            texts.append(to_bytes(main["text"]))
            kind = "file"
        dropins: Json = {}
        for layer in layers:
            dropins |= layer.get("dropins", {})
        texts += [to_bytes(dropin["text"]) for _, dropin in sorted(dropins.items()) if dropin != "masked"]
        return Meaning(kind, UnitText.read(texts))

    def has_file(self, name: str) -> bool:
        """Tells whether there is a file for this very name."""
        return self.units.get(self.true_name(name), {}).get("main") is not None

    def made_by_dropin(self, name: str) -> bool:
        """Tells whether an instance exists by real drop-ins of its own."""
        own = self.units.get(name, {})
        real = any(d != "masked" for d in own.get("dropins", {}).values())
        return template(name) is not None and own.get("main") is None and real

    def pullers(self) -> set[tuple[str, str]]:
        """Gives all pairs of a unit and one that pulls it in."""
        pairs = set()
        for name, unit in self.units.items():
            for link in ("wantedBy", "requiredBy", "upheldBy"):
                pairs |= {(name, puller) for puller in unit.get(link, [])}
            pairs |= {(self.true_name(wanted), name) for wanted in self.meaning(name).text.pulls}
        # a template is a pattern, only its instances run
        return {(unit, puller) for unit, puller in pairs if "@." not in unit and "@." not in puller}


class Switch:
    """One switch: collects what is done to whom."""

    def __init__(self, case: Json) -> None:
        self.old, self.new = Generation(case["old"]), Generation(case["new"])
        self.live: Json = case["live"]
        self.options: Json = case["options"]
        self.seeds: Json = case["seeds"]
        self.was_pulled, self.is_pulled = self.old.pullers(), self.new.pullers()
        self.stop: set[str] = set()
        self.reload: set[str] = set()
        self.restart: set[str] = set()
        self.start: set[str] = set()
        self.hidden: set[str] = set()
        self.skip: set[str] = set()

    # what systemd says

    def named(self, name: str) -> str | None:
        """Finds a loaded unit by any name."""
        if name in self.live:
            return name
        return next((n for n in sorted(self.live) if name in self.live[n].get("names", [])), None)

    def up(self, name: str) -> bool:
        """Tells whether a unit is up or coming up."""
        found = self.named(name)
        return found is not None and self.live[found]["activeState"] in UP

    # what the generations say

    def refuses(self, name: str) -> bool:
        """Tells whether it can't be started by name."""
        meaning = self.new.meaning(name)
        said = self.says_no(name)
        if meaning.kind == "masked":
            return True
        if meaning.kind == "absent":
            return said
        default = said if meaning.kind == "foreign" else False
        text = meaning.text
        return text.yes("Unit", "RefuseManualStart", default) or text.yes("Unit", "X-OnlyManualStart")

    def says_no(self, name: str) -> bool:
        """Tells whether what runs refuses to be started by name."""
        found = self.named(name)
        return split(name)[1] in {"scope", "device"} or (
            found is not None and bool(self.live[found].get("refusesManualStart"))
        )

    def comes_with_its_target(self, name: str) -> bool:
        """Tells whether a new unit only asks that switches leave it alone."""
        meaning = self.new.meaning(name)
        asks = meaning.text.yes("Unit", "X-OnlyManualStart") and not meaning.text.yes("Unit", "RefuseManualStart")
        is_new = meaning.kind == "file" and self.old.meaning(name).kind == "absent"
        return asks and is_new and not self.says_no(name)

    def clings(self, name: str) -> bool:
        """Tells whether the old definition refuses to be stopped."""
        return self.old.meaning(name).text.yes("Unit", "RefuseManualStop")

    def fate(self, name: str) -> str:
        """Gives unmanaged, gone, kept, equal, reload or restart for an active unit."""
        origin = self.live[name].get("origin", "below")
        old, new = self.old.meaning(name), self.new.meaning(name)
        if origin == "nowhere":
            origin = "ours" if old.kind == "file" else "above"
        if origin == "above" or (old.kind == "file" and origin != "ours"):
            return "unmanaged"
        gone = "gone" if old.text.yes("Unit", "X-StopOnRemoval", True) else "kept"
        lost = old.kind == "file" and self.old.made_by_dropin(name) and not self.new.made_by_dropin(name)
        if lost and not self.old.has_file(name) and not self.new.has_file(name):
            return gone
        if new.kind == "masked":
            return "unmanaged" if old.kind == "masked" else gone
        if new.kind == "absent":
            if old.kind == "file":
                return gone
            if old.kind != "foreign":
                return "unmanaged"
        before = "foreign" if old.kind in {"absent", "masked"} and new.kind == "foreign" else old.kind
        after = "foreign" if new.kind == "absent" else new.kind
        if before != after:
            return "restart"
        verdict = difference(old.text, new.text)
        spoke, speaks = (bool(m.text.all("Unit", "X-Reload-Triggers")) for m in (old, new))
        fell_silent = old.kind == "foreign" and spoke and not speaks
        return "reload" if verdict == "equal" and fell_silent else verdict

    def going(self, name: str) -> bool:
        """Tells whether an active unit loses its definition and stops."""
        return self.fate(name) == "gone"

    def wanted_by_active(self, name: str) -> set[str]:
        """Gives the active targets that pull it in and stay."""
        targets = set()
        for unit, puller in self.is_pulled:
            if unit == name and puller.endswith(".target") and self.up(puller):
                found = self.named(puller)
                if found is not None and not self.going(found):
                    targets.add(puller)
        return targets

    def runs_below(self, name: str) -> bool:
        """Tells whether the distro's unit of this name runs."""
        found = self.named(name)
        return found is not None and self.up(name) and self.live[found].get("origin", "below") == "below"

    def reloadable(self, name: str) -> bool:
        """Tells whether a reload could work."""
        meaning = self.new.meaning(name)
        if not name.endswith(".service"):
            return name.endswith(".mount")
        able = bool(meaning.text.all("Service", "ExecReload"))
        return able or meaning.text.last("Service", "Type") == "notify-reload" or meaning.kind in {"foreign", "absent"}

    # the clauses

    def way(self, name: str, text: UnitText, busy: bool) -> str:
        """Gives reload, skip, restart or stop-start for a changed unit."""
        method = text.last("Unit", "X-SwitchMethod")
        if method == "keep":
            method = "keep-old"
        if method not in {"reload", "restart", "stop-start", "keep-old"}:
            method = "restart"
            if text.yes("Service", "X-StopIfChanged", not self.of_others(name)):
                method = "stop-start"
            if not text.yes("Service", "X-RestartIfChanged", True):
                method = "keep-old"
            if text.yes("Service", "X-ReloadIfChanged") and not busy:
                method = "reload"
        elif method == "reload" and busy:
            method = "restart"
        if method == "reload":
            return "reload" if self.reloadable(name) else "skip"
        if method == "keep-old" or self.immovable(name):
            return "skip"
        if method == "stop-start" and name.endswith(".service") and not self.clings(name):
            return "stop-start"
        return "restart"

    def of_others(self, name: str) -> bool:
        """Tells whether its file is the distro's, before and after."""
        kinds = {generation.meaning(name).kind for generation in (self.old, self.new)}
        return kinds <= {"absent", "foreign"}

    def at_work(self, name: str, text: UnitText) -> bool:
        """Tells whether it does its work just now, and ends of itself."""
        found = self.named(name)
        is_bare = any(section == "Service" for section, _ in text.values) and not text.all("Service", "ExecStart")
        kind = text.last("Service", "Type") or ("oneshot" if is_bare else "simple")
        is_passing = name.endswith(".service") and kind == "oneshot" and not text.yes("Service", "RemainAfterExit")
        return is_passing and found is not None and self.live[found]["activeState"] == "activating"

    def holds_others(self, name: str) -> bool:
        """Tells whether it is the distro's and there to hold others."""
        return split(name)[1] in {"slice", "target", "scope"} and self.live[name].get("origin", "below") == "below"

    def immovable(self, name: str) -> bool:
        """Tells whether systemd refuses to restart it."""
        return self.new.meaning(name).text.yes("Unit", "RefuseManualStop") or self.refuses(name)

    def socket_remains(self, socket: str) -> bool:
        """Tells whether there is such a socket after the switch."""
        kind = self.new.meaning(socket).kind
        found = self.named(socket)
        if kind == "absent":
            return found is not None and self.live[found].get("origin", "below") in {"below", "above"}
        return kind != "masked"

    def stop_then_start(self, name: str, text: UnitText) -> None:
        """Stops a service, starts its sockets or itself."""
        stem, _ = split(template(name) or name)
        sockets = text.words("Service", "Sockets") or {stem.removesuffix("@") + ".socket"}
        activated = False
        for socket in sockets:
            remains = self.socket_remains(socket)
            if remains and (self.clings(socket) or self.immovable(socket)):
                continue
            if self.up(socket):
                if not self.clings(socket):
                    self.stop.add(socket)
            elif not self.wanted_by_active(socket):
                continue
            if remains:
                self.start.add(socket)
                activated = True
        self.stop.add(name)
        if not activated or text.yes("Service", "X-NotSocketActivated"):
            self.start.add(self.new.true_name(name))

    def changed(self, name: str, text: UnitText) -> None:
        """Treats an active unit that has changed beyond a reload."""
        kind = split(name)[1]
        if kind in {"path", "slice"}:
            return
        if kind == "mount":
            if name in FIXED_MOUNTS:
                self.reload.add(name)
            elif self.immovable(name):
                self.skip.add(name)
            else:
                self.restart.add(name)
            return
        if kind == "socket":
            self.changed_socket(name, text)
            return
        if self.of_others(name) and self.at_work(name, text):
            self.skip.add(name)
            return
        way = self.way(name, text, name in self.restart or name in self.stop)
        if way == "stop-start":
            self.stop_then_start(name, text)
        else:
            {"reload": self.reload, "skip": self.skip, "restart": self.restart}[way].add(name)

    def changed_socket(self, name: str, text: UnitText) -> None:
        """Treats a changed socket: left alone unless asked for and safe."""
        if not self.options["restartSockets"] or self.clings(name) or self.immovable(name):
            return
        service = text.last("Socket", "Service") or split(name)[0] + ".service"
        if not self.up(service):
            self.restart.add(name)
            return
        meaning = self.new.meaning(service)
        if meaning.kind == "file" and self.way(service, meaning.text, False) == "stop-start":
            self.stop |= {service, name}
            self.start.add(name)
            if meaning.text.yes("Service", "X-NotSocketActivated"):
                self.start.add(service)

    def target(self, name: str, text: UnitText) -> None:
        """Treats an active target that stays."""
        if name in SLEEP or self.refuses(name):
            return
        differs = self.old.units != self.new.units
        stops = text.yes("Unit", "X-StopOnReconfiguration") and not self.clings(name) and not self.holds_others(name)
        if stops and differs:
            self.stop.add(name)
            self.start.add(name)
        elif self.options["startActiveTargets"] and name not in self.start:
            self.start.add(name)
            self.hidden.add(name)

    def actives(self) -> None:
        """Treats every active unit."""
        for name in sorted(self.live):
            unit = self.live[name]
            if unit["activeState"] not in UP or unit.get("following") or unit.get("origin") == "above":
                continue
            fate = self.fate(name)
            text = self.new.meaning(name).text
            if fate == "gone" and name not in FIXED_MOUNTS and not self.clings(name) and not self.holds_others(name):
                self.stop.add(name)
            elif fate in {"equal", "reload", "restart"} and name.endswith(".target"):
                self.target(name, text)
            elif fate == "reload" and self.reloadable(name):
                self.reload.add(name)
            elif fate == "restart":
                self.changed(name, text)

    def should_start(self, name: str) -> bool:
        """Tells whether an inactive unit is started for a target's sake."""
        targets = self.wanted_by_active(name)
        if not targets:
            return False
        old, text = self.old.meaning(name), self.new.meaning(name).text
        if not old.exists or any((name, target) not in self.was_pulled for target in targets):
            return True
        if difference(old.text, text) == "equal":
            return False
        found = self.named(name)
        if found is not None and self.live[found]["activeState"] == "failed":
            return True
        method = text.last("Unit", "X-SwitchMethod")
        if method in {"reload", "restart", "stop-start", "keep-old", "keep"}:
            kept = method.startswith("keep")
        else:
            kept = not text.yes("Service", "X-RestartIfChanged", True)
        return not kept

    def inactives(self) -> None:
        """Starts what active targets want."""
        for name in {unit for unit, _ in self.is_pulled}:
            if (
                self.new.meaning(name).exists
                and not self.up(name)
                and name not in self.stop
                and self.should_start(name)
            ):
                self.start.add(name)

    def agree(self) -> None:
        """Makes the sets agree: stop over restart over start over reload; no restart or reload of what is down."""
        self.restart -= self.stop
        self.reload -= self.stop
        down = {u for u in self.restart | self.reload if not self.up(u)}
        self.start |= down
        self.restart -= down
        self.reload -= down | self.restart
        needless = {u for u in self.start - self.hidden if self.up(u) and u not in self.stop}
        refused = {u for u in self.start if self.refuses(u) and not self.comes_with_its_target(u)}
        self.start -= self.restart | needless | refused
        self.reload -= self.start

    def falls_with(self, name: str) -> set[str]:
        """Gives the units whose stop stops this one."""
        with_text = {self.old.true_name(u) for u in self.old.meaning(name).text.bonds}
        required = {u for u, unit in self.old.units.items() if name in unit.get("requiredBy", [])}
        return with_text | required | set(self.live[name].get("stopsWith", []))

    def avalanche(self, stopped: set[str]) -> set[str]:
        """Gives the active units that fall when others stop."""
        fallen = set(stopped)
        while True:
            more = {
                name
                for name, unit in self.live.items()
                if name not in fallen and self.up(name) and not unit.get("following") and self.falls_with(name) & fallen
            }
            if not more:
                return fallen - stopped
            fallen |= more

    def in_use(self, slice_: str) -> bool:
        """Tells whether something that goes on is in a slice."""
        inside = {n for n, unit in self.live.items() if slice_ in unit.get("stopsWith", []) and not n.endswith(".slice")}
        return any(self.up(name) and (name not in self.stop or name in self.start) for name in inside)

    def run(self) -> Json:
        """Decides."""
        for verb, where in (("start", self.start), ("restart", self.restart), ("reload", self.reload)):
            where |= {u for u in self.seeds[verb] if self.new.meaning(u).exists}
        self.reload |= {u for u in self.seeds["reload"] if self.runs_below(u)}
        self.actives()
        self.stop -= {s for s in self.stop if s.endswith(".slice") and self.in_use(s)}
        self.inactives()
        self.agree()
        fallen = self.avalanche(self.stop)
        for name in fallen - self.restart:
            self.reload.discard(name)
            if not self.refuses(name) and self.fate(name) not in {"gone", "kept"}:
                self.start.add(name)
                self.hidden.discard(name)
        self.pull_along(fallen)
        along = self.avalanche(self.restart) - self.stop - fallen
        return {
            "stop": sorted(self.stop),
            "reload": sorted(self.reload),
            "restart": sorted(self.restart),
            "start": sorted(self.start - self.hidden),
            "hidden": sorted(self.start & self.hidden),
            "skip": sorted(self.skip),
            "along": sorted(along),
            "daemonReload": bool(self.seeds["daemonReload"]) or self.old.units != self.new.units,
        }

    def pull_along(self, fallen: set[str]) -> None:
        """Adds what systemd pulls in with a start."""
        while True:
            coming = self.restart | (self.start - self.hidden)
            more = {
                unit
                for unit, puller in self.is_pulled
                if puller in coming
                and unit not in self.start | self.restart | self.stop
                and (unit in fallen or not self.up(unit))
                and self.new.meaning(unit).exists
                and not self.refuses(unit)
            }
            if not more:
                return
            self.start |= more
