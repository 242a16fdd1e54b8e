"""Mutations: what the program reads is damaged at random, a little or a lot, and it is run.

It must refuse, or do what the damaged text says; never panic, hang, write outside of its root, or lose a file. A
refusal changes nothing. What could be activated can be taken away again.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import kill
from kill import Command
from tally import Tally, side_by_side
from world import FOREIGN, Failed, Standing, Tree, World, require, require_between, require_decent, require_nothing_lost

_STATE = "var/lib/system-manager"
_ACCOUNTS = ("passwd", "group", "shadow", "gshadow", "subuid", "subgid", "login.defs")
_UPSTREAM = "state/system-manager-state.json"
_ACTIVATE: Command = ("activate", "@mutated")
_LEFT = re.compile(r"^etc/\w+\.lock$|\+$|/\.system-manager-[0-9a-f]{16}$|/backups/ ")
_MINUTES = 10.0
"""How long each kind of target is damaged: there is no end to the cases."""

_WORDS = [
    *(b"", b"\0", b"\n", b":", b"/", b"..", b"../../outside", b"%", b"\xff\xfe", b"-1", b"0", b"4294967296", b"1e999"),
    *(b"A" * 5000, b"{" * 200, b"[" * 200, b"\r\n", b"root", b"symlink", b"07777", b"\\x2f", b"\xe2\x80\xae", b"null"),
    *(
        b"/etc/passwd",
        b"/proc/self/root",
        b"passwd",
        b"shadow",
        b"hosts",
        b".",
        b"*",
        b"$(id)",
        b"true",
        b'"',
        b"+",
        b"@",
    ),
]
# What the host, or the program itself, can't do without.
_CRITICAL = (
    *("passwd", "group", "shadow", "gshadow", "subuid", "subgid", "login.defs", "fstab", "machine-id", "os-release"),
    *("nsswitch.conf", "hosts", "shells", "passwd.lock", ".pwd.lock", "systemd/system", "tmpfiles.d", "passwd-"),
)
_VALUES: list[Any] = [
    *(
        None,
        True,
        0,
        -1,
        2**32,
        2**64,
        1.5,
        "",
        "x",
        "..",
        "/",
        "a/../b",
        "\0",
        "é",
        "A" * 3000,
        [],
        {},
        [[]],
        {"": {}},
    ),
    *(
        "root",
        "0644",
        "symlink",
        "/dev/full",
        "/proc/self/mem",
        "/etc/passwd",
        "passwd",
        "shadow",
        "subuid",
        "login.defs",
    ),
    *("fstab", "machine-id", "nsswitch.conf", "hosts", "os-release", ".", "./a", "a//b", "systemd/system/../../x"),
]


@dataclass(frozen=True)
class Target:
    """Something that is read, and what is run when it is damaged."""

    kind: str
    name: str
    start: str
    path: str
    """Below the root, or of a toplevel where it begins with `@NAME/`."""
    command: Command
    is_json: bool = False
    is_record: bool = False
    """Whether it is the program's own: what it was lost with it."""


TARGETS = (
    *(Target("manifest", "manifest", "registered-one", "@mutated/manifest.json", _ACTIVATE, is_json=True),) * 3,
    Target("manifest", "manifest of a change", "one", "@mutated/manifest.json", _ACTIVATE, is_json=True),
    Target("unit files", "unit file", "registered-one", "@mutated/sources/unit-a.service", _ACTIVATE),
    *(Target("tmpfiles lines", "tmpfiles lines", "registered-one", "@mutated/sources/tmpfiles", _ACTIVATE),) * 2,
    *(
        Target(kind, kind, "two", f"{_STATE}/{kind}.json", command, is_json=True, is_record=True)
        for kind in ("state", "ids")
        for command in (("activate", "@three"), ("deactivate",), ("status",), ("rollback",))
    ),
    *(
        Target("journal", "journal", "interrupted", f"{_STATE}/journal", command, is_json=True, is_record=True)
        for command in (("activate",), ("deactivate",), ("status",))
    ),
    *(Target("accounts", name, "registered-one", f"etc/{name}", ("activate",)) for name in _ACCOUNTS),
    *(Target("accounts", f"{name}, away", "two", f"etc/{name}", ("deactivate",)) for name in _ACCOUNTS),
    Target("lines of ours", "lines of ours in hosts", "two", "etc/hosts", ("activate", "@three")),
    Target("plan", "plan", "one", "@plan/plan.json", ("switch", "@plan/plan.json"), is_json=True),
    Target("what upstream left", "its record", "upstream", f"{_STATE}/{_UPSTREAM}", ("activate", "@one"), is_json=True),
    Target("what upstream left", "its record", "upstream", f"{_STATE}/{_UPSTREAM}", ("deactivate",), is_json=True),
)


def sweep(worlds: Sequence[World], tally: Tally, sample: int | None) -> None:
    """Damages each kind of target for some minutes, or all of them `sample` times."""
    kill.prepare(worlds[0])
    plan = worlds[0].shared / "toplevel-plan"
    plan.mkdir()
    worlds[0].reset("one")
    worlds[0].succeed("plan", "@two", "--out", str(plan / "plan.json"))

    def check(world: World, case: tuple[Target, int]) -> None:
        _check(world, case[0], tally.chance(case[1]))

    def for_minutes(world: World, kind: str) -> None:
        targets = [target for target in TARGETS if target.kind == kind]
        end, number = time.monotonic() + (tally.minutes or _MINUTES) * 60, 0
        while time.monotonic() < end:
            case = (targets[number % len(targets)], number)
            tally.count(partial(check, world, case), partial(_describe, case))
            number += 1
        tally.notes.append(f"{kind}: {number:,}")

    wanted = [target for target in TARGETS if tally.wants(target.kind)]
    if sample is None:
        side_by_side(worlds, list(dict.fromkeys(target.kind for target in wanted)), for_minutes)
    else:
        tally.each(worlds, [(wanted[number % len(wanted)], number) for number in range(sample)], check, _describe)
    require(worlds[0].folder.exists(), "the proof's own folder is gone")


def _check(world: World, target: Target, chance: random.Random) -> None:
    world.reset(target.start)
    path, command = _locate(world, target)
    whole = path.read_bytes()
    damaged = mutate(whole, chance, target.is_json)
    path.write_bytes(damaged)
    before, outside = world.tree(), _outside(world)
    try:
        _run_damaged(world, target, command, before)
        require(_outside(world) == outside, "it wrote outside of its root")
    except Failed as failed:
        raise failed.within("", f"\n  damaged: {_difference(whole, damaged)}") from None


def _run_damaged(world: World, target: Target, command: Command, before: Tree) -> None:
    ran = world.run(*command)
    require_decent(ran)
    require_nothing_lost(world)
    if ran.code == 1 or command == ("status",):
        _require_untouched(world, before, ran.said)
    if ran.code == 0 and command[0] == "activate" and not target.is_record and target.start == "registered-one":
        again = world.run("deactivate")
        require_decent(again)
        require(again.code == 0, f"it activates, but `deactivate` exits with {again.code}: {again.said}")
        _require_given_back(world, before)


def _require_untouched(world: World, before: Tree, said: str) -> None:
    # What a killed run has left is swept by any that begins.
    now, old = (
        {path: at for path, at in tree.items() if path != _STATE and not _LEFT.search(path)}
        for tree in (world.tree(), before)
    )
    try:
        require_between(now, old, old)
    except Failed as failed:
        raise failed.within("it refuses, but ", f"\n  it said: {said[-500:]}") from None


def _require_given_back(world: World, before: Tree) -> None:
    """What stood in /etc before is as it was; files whose lines were changed and changed back are new ones."""
    now, old = (
        {
            path: at if path.removeprefix("etc/") in FOREIGN else Standing(at.what, None)
            for path, at in tree.items()
            if path.startswith("etc/")
        }
        for tree in (world.tree(), before)
    )
    # What rules of tmpfiles made with a content of its own may stay.
    require_between({path: at for path, at in now.items() if path in old}, old, old)


def _locate(world: World, target: Target) -> tuple[Path, Command]:
    """Returns the file that is damaged, and the command; toplevels are copied into the place of the worker."""
    if not target.path.startswith("@"):
        return world.root / target.path, target.command
    name, _, inside = target.path[1:].partition("/")
    source = world.shared / ("toplevel-plan" if name == "plan" else "toplevel-one")
    copy = world.folder / name
    copy_tree(source, copy)
    manifest = copy / "manifest.json"
    if manifest.exists():
        manifest.write_text(manifest.read_text().replace(str(source), str(copy)))
    command = tuple(word.replace("@mutated", str(copy)).replace("@plan", str(copy)) for word in target.command)
    return copy / inside, command


def copy_tree(source: Path, target: Path) -> None:
    """Copies a tree of few files over another one."""
    for path in [source, *source.rglob("*")]:
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.write_bytes(path.read_bytes())


def _outside(world: World) -> dict[str, tuple[int, int]]:
    """Returns what is beside the root, which no run may change."""
    places = [world.folder / "mutated", world.folder, *world.folder.glob("outside*")]
    return {str(path): (path.stat().st_mode, path.stat().st_mtime_ns) for path in places if path.exists()}


def mutate(text: bytes, chance: random.Random, is_json: bool) -> bytes:
    """Returns a text with some damage: of its bytes, its lines, or its values."""
    if is_json and chance.random() < 0.7:
        try:
            return _mutate_json(text, chance)
        except ValueError:
            pass  # not one JSON text
    for _ in range(chance.choice((1, 1, 1, 2, 5, 20))):
        text = chance.choice(_BYTES)(text, chance)
    return text


def _place(text: bytes, chance: random.Random) -> tuple[int, int]:
    begin = chance.randint(0, len(text))
    return begin, min(len(text), begin + chance.choice((1, 1, 2, 8, 64, 1000)))


def _flip(text: bytes, chance: random.Random) -> bytes:
    begin, _ = _place(text, chance)
    return text[:begin] + bytes([chance.randint(0, 255)]) + text[begin + 1 :]


def _cut(text: bytes, chance: random.Random) -> bytes:
    begin, end = _place(text, chance)
    return text[:begin] + text[end:]


def _end(text: bytes, chance: random.Random) -> bytes:
    return text[: _place(text, chance)[0]]


def _repeat(text: bytes, chance: random.Random) -> bytes:
    begin, end = _place(text, chance)
    return text[:end] + text[begin:end] * chance.choice((1, 1, 3)) + text[end:]


def _insert(text: bytes, chance: random.Random) -> bytes:
    begin, end = _place(text, chance)
    return text[:begin] + chance.choice(_WORDS) + text[chance.choice((begin, end)) :]


def _lines(text: bytes, chance: random.Random) -> bytes:
    lines = text.splitlines(keepends=True)
    what = chance.randrange(3)
    if what == 0:
        chance.shuffle(lines)
    elif what == 1:
        lines = lines[1:]
    else:
        lines += chance.sample(lines, min(1, len(lines)))
    return b"".join(lines)


def _field(text: bytes, chance: random.Random) -> bytes:
    lines = text.split(b"\n")
    number = chance.randrange(len(lines))
    for separator in (b":", b" "):
        if separator in lines[number]:
            fields = lines[number].split(separator)
            fields[chance.randrange(len(fields))] = chance.choice(_WORDS)
            lines[number] = separator.join(fields)
            break
    return b"\n".join(lines)


_BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip,
    _cut,
    _end,
    _repeat,
    _insert,
    _insert,
    _lines,
    _field,
    _field,
)


def _mutate_json(text: bytes, chance: random.Random) -> bytes:
    value = json.loads(text)
    if isinstance(value, dict) and value.get("etc") and chance.random() < 0.1:
        entry = chance.choice(list(value["etc"].values()))
        value["etc"][chance.choice(_CRITICAL)] = {**entry, "replaceExisting": chance.random() < 0.8}
        return json.dumps(value).encode()
    for _ in range(chance.choice((1, 1, 2, 4))):
        places: list[tuple[Any, Any]] = []
        _collect(value, places)
        if not places:
            break
        holder, key = chance.choice(places)
        _mutate_value(holder, key, chance)
    return json.dumps(value).encode(errors="surrogatepass")


def _collect(value: Any, places: list[tuple[Any, Any]]) -> None:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        places.append((value, key))
        _collect(value[key], places)


def _mutate_value(holder: Any, key: Any, chance: random.Random) -> None:
    what = chance.randrange(5)
    if what == 0:
        del holder[key]
    elif what == 1 and isinstance(holder, dict):
        # A name that is another one.
        name = chance.choice(
            [str(v) for v in _VALUES if isinstance(v, str)] + [f"{key}/x", f"{key}/", key[1:], f"/{key}"]
        )
        holder[name] = holder.pop(key) if chance.random() < 0.5 else holder[key]
    elif what == 2 and isinstance(holder[key], str):
        text = holder[key]
        holder[key] = _insert(text.encode(errors="replace"), chance).decode(errors="replace")
    elif what == 3 and isinstance(holder[key], int):
        holder[key] = chance.choice((holder[key] + 1, -holder[key], holder[key] * 1000, not holder[key]))
    else:
        holder[key] = chance.choice(_VALUES)


def _difference(whole: bytes, damaged: bytes) -> str:
    """Returns where two texts begin to differ."""
    same = min(len(whole), len(damaged))
    at = next((i for i in range(same) if whole[i] != damaged[i]), same)
    begin = max(0, at - 40)
    return f"at byte {at}: {whole[begin : at + 40]!r} became {damaged[begin : at + 60]!r}"


def _describe(case: tuple[Target, int]) -> str:
    target, number = case
    return f"{target.name}, damage {number}, `{' '.join(target.command)}`"
