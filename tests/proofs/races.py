"""Races: others work on the same files while the program does.

apt puts new versions of configuration files in place, useradd makes accounts, an editor saves, a second run of the
program is started, and someone who may write in a folder makes it a link to elsewhere. When all is quiet again, a run
ends well, and nothing that the others wrote is torn, or lost but for the moment that the README names.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import kill
from tally import Tally
from world import Ran, World, require, require_decent, require_nothing_lost, run

_DEFAULT = 1000
_RUNS = (("activate",), ("activate", "@three"), ("activate", "@two"), ("deactivate",))

LOST: Counter[str] = Counter()
"""The versions that came between the last look at a file and its replacement: the limit of a promise."""

Race = Callable[[World, threading.Event], int]
"""What another one does until it is told to stop; returns how often."""


def sweep(worlds: Sequence[World], tally: Tally, sample: int | None) -> None:
    """Runs each race again and again."""
    kill.prepare(worlds[0])
    races = [(name, *RACES[name]) for name in RACES if tally.wants(name)]
    if shutil.which("useradd") is None:
        races = [race for race in races if race[0] != "useradd"]
        tally.notes.append("no useradd here; apt-get install passwd")
    cases = [(*races[number % len(races)], number) for number in range(sample or _DEFAULT)]
    done = dict.fromkeys(RACES, 0)

    def check(world: World, case: Case) -> None:
        done[case[0]] += _check(world, case)

    tally.each(worlds, cases, check, lambda case: f"{case[0]}, round {case[3]}")
    tally.notes.extend(f"{name}: {times} times" for name, times in done.items())
    tally.notes.append(f"lost between the last look and the replacement: {LOST.total()}")


Case = tuple[str, Race, Callable[[World, int], None], int]


def _check(world: World, case: Case) -> int:
    _, race, verify, number = case
    world.reset("registered-one")
    stop, times, problems = threading.Event(), 0, []

    def other() -> None:
        nonlocal times
        try:
            times = race(world, stop)
        except Exception as error:
            problems.append(error)

    thread = threading.Thread(target=other)
    thread.start()
    try:
        for command in _RUNS[: 2 + number % 3]:
            _require_told(world.run(*command))
    finally:
        stop.set()
        thread.join()
    if problems:
        raise problems[0]
    # It is quiet now: the way on, and the way back.
    for command in (("activate",), ("deactivate",)):
        ran = world.run(*command)
        require_decent(ran)
        require(ran.code == 0 or "hint:" in ran.said, f"`{command[0]}` exits with {ran.code}, no hint: {ran.said}")
    verify(world, times)
    return times


def _require_told(ran: Ran) -> None:
    """In a race a run may be refused, or stop; not without saying so."""
    require_decent(ran)
    told = "error:" in ran.err or "Conflicts (" in ran.said
    require(ran.code == 0 or told, f"it ends with {ran.code} and does not say why: {ran.said}")


def _apt(world: World, stop: threading.Event) -> int:
    times = 0
    while not stop.is_set():
        times += 1
        for name in ("replaced", "given-back", "carried"):
            new = world.root / f"etc/{name}.dpkg-new"
            new.write_text(f"package-version-{times}\n")
            os.rename(new, new.with_suffix(""))
        stop.wait(0.003)
    return times


def _verify_apt(world: World, times: int) -> None:
    for name in ("replaced", "given-back", "carried"):
        path = world.root / "etc" / name
        text = path.read_text()
        kept = _texts(world.root / "var/lib/system-manager/backups")
        last = f"package-version-{times}\n"
        require(re.fullmatch(r"package-version-\d+\n|text-of-.*\n", text), f"/etc/{name} is torn: {text!r}")
        if text != last and last not in kept:
            LOST[name] += 1


def _texts(folder: Path) -> list[str]:
    return [path.read_text() for path in folder.iterdir() if path.is_file()]


def _useradd(world: World, stop: threading.Event) -> int:
    times = 0
    while not stop.is_set():
        times += 1
        ran = run(["useradd", "--prefix", str(world.root), "--no-create-home", "--user-group", f"made{times}"])
        require(ran.code == 0, f"useradd exits with {ran.code}: {ran.said}")
    return times


def _verify_useradd(world: World, times: int) -> None:
    for database in ("passwd", "group", "shadow"):
        lines = (world.root / "etc" / database).read_text().splitlines()
        names = [line.split(":")[0] for line in lines]
        require(len(names) == len(set(names)), f"/etc/{database} has a name twice: {names}")
        lost = [f"made{number}" for number in range(1, times + 1) if f"made{number}" not in names]
        require(not lost, f"/etc/{database} has lost {', '.join(lost)}")
        require({"root", "web", "carol"} <= set(names), f"/etc/{database} has lost a line of the distribution's")
    ids = [line.split(":")[2] for line in (world.root / "etc/passwd").read_text().splitlines()]
    require(len(ids) == len(set(ids)), f"an id was given twice: {ids}")
    require_nothing_lost(world)


def _editor(world: World, stop: threading.Event) -> int:
    times = 0
    path = world.root / "etc/hosts"
    while not stop.is_set():
        times += 1
        text = path.read_text()
        beside = path.with_name("hosts~")
        beside.write_text(re.sub(r"\A(edit-\d+\n)?", f"edit-{times}\n", text))
        os.rename(beside, path)
        stop.wait(0.002)
    return times


def _verify_editor(world: World, _: int) -> None:
    text = (world.root / "etc/hosts").read_text()
    require("theirs, without an end" in text, f"/etc/hosts has lost its own lines: {text!r}")
    require("system-manager" not in text, f"/etc/hosts still has lines of ours: {text!r}")
    require_nothing_lost(world)


def _link(world: World, stop: threading.Event) -> int:
    outside = world.folder / "outside"
    shutil.rmtree(outside, ignore_errors=True)
    (outside / "deep").mkdir(parents=True)
    for name in ("inside", "deep/down", "deep/new"):
        (outside / name).write_text("elsewhere\n")
        (outside / name).chmod(0o604)
    folder, aside = world.root / "etc/theirs", world.root / "etc/theirs.aside"
    times = 0
    while not stop.is_set():
        times += 1
        os.rename(folder, aside)
        folder.symlink_to(outside)
        stop.wait(0.0005)
        folder.unlink()
        os.rename(aside, folder)
        stop.wait(0.0005)
    return times


def _verify_link(world: World, _: int) -> None:
    outside = world.folder / "outside"
    found = sorted(str(path.relative_to(outside)) for path in outside.rglob("*") if not path.is_dir())
    require(found == ["deep/down", "deep/new", "inside"], f"it wrote through the link: {found}")
    for name in found:
        path = outside / name
        require(path.read_text() == "elsewhere\n", f"it wrote into {name} through the link")
        require(path.stat().st_mode & 0o7777 == 0o604, f"it changed the mode of {name} through the link")
    for folder in (outside, outside / "deep"):
        require(folder.stat().st_mode & 0o7777 == 0o755, f"it changed the mode of {folder} through the link")
    require_nothing_lost(world)


def _second(world: World, stop: threading.Event) -> int:
    times = 0
    while not stop.is_set():
        times += 1
        _require_told(world.run(*_RUNS[times % len(_RUNS)]))
    return times


def _verify_second(world: World, _: int) -> None:
    require_nothing_lost(world)
    status = world.succeed("status").said
    require("interrupted" not in status, f"status says: {status}")


RACES: dict[str, tuple[Race, Callable[[World, int], None]]] = {
    "apt": (_apt, _verify_apt),
    "useradd": (_useradd, _verify_useradd),
    "an editor": (_editor, _verify_editor),
    "a folder that becomes a link": (_link, _verify_link),
    "a second run": (_second, _verify_second),
}
