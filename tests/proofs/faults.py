"""Faults: each system call of a run fails once, with each error that the kernel may have for it.

A run may say so and stop, or go on; but what it says must be true. After exit code 0 the host is what it would have
been; after 1 nothing is changed; after 3 the same command ends it. Nothing is lost, and the error says where.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

import kill
import strace
from kill import Command, Reference, Scene
from strace import Call
from tally import Tally
from world import Failed, Ran, Records, Tree, World, require, require_between, require_decent, require_nothing_lost

_IN_OUR_WORDS = {"EROFS": "is on a read-only file system", "EACCES": "is not writable"}
"""What is said where it was seen before anything was done, with what to do."""

# The lock and the folders that it and copies are in, and the lock that every tool of accounts takes.
_NO_CHANGE = ("var/lib/system-manager", "var/lib/system-manager/backups", "etc/.pwd.lock")


@dataclass(frozen=True)
class Before:
    """What a host is before a run."""

    tree: Tree
    records: Records
    digest: str

    @classmethod
    def of(cls, world: World) -> Before:
        """Returns what it is now."""
        tree = world.tree()
        return cls(tree, world.records(), world.digest(tree))


Case = tuple[Scene, Call, str, Command, tuple[Reference, Reference], Before]

_SCENES = [
    scene for scene in kill.SCENES if scene.name in ("first switch", "change", "rollback", "deactivate", "takeover")
]


def sweep(worlds: Sequence[World], tally: Tally, sample: int | None) -> None:
    """Fails every call of every scene in every way, or `sample` of them."""
    kill.prepare(worlds[0])
    cases: list[Case] = []
    for scene in _SCENES:
        if not tally.wants(scene.name):
            continue
        worlds[0].reset(scene.start)
        before = Before.of(worlds[0])
        calls = strace.injectable(strace.trace(worlds[0], *scene.command))
        ways = [(scene.command,), (kill.AWAY,)]
        ends = [kill.references(worlds[0], scene, way) for way in ways]
        for number, (call, fault) in enumerate((call, fault) for fault in strace.FAULTS for call in calls):
            way = number % len(ways)
            cases.append((scene, call, fault, ways[way][0], ends[way], before))
    seen: set[str] = set()
    chosen = tally.some(_spread(cases, tally), sample)
    tally.each(worlds, chosen, lambda world, case: _check(world, *case, seen), _describe)
    tally.notes.append(f"{len(seen)} different hosts came of them; the next run was tried on each of these once")


def _spread(cases: Sequence[Case], tally: Tally) -> list[Case]:
    """Returns all cases in rounds: each call comes once before any comes again, in an order by chance."""
    rounds: list[list[Case]] = [[] for _ in strace.FAULTS]
    for case in cases:
        rounds[_round(case)].append(case)
    for cases_of_one in rounds:
        tally.chance("order").shuffle(cases_of_one)
    return [case for cases_of_one in rounds for case in cases_of_one]


def _round(case: Case) -> int:
    """Which of the errors of a call this one is; neighbours begin with different ones."""
    _, call, fault, *_ = case
    return (strace.FAULTS.index(fault) + call.number) % len(strace.FAULTS)


def _check(
    world: World,
    scene: Scene,
    call: Call,
    fault: str,
    way: Command,
    ends: tuple[Reference, Reference],
    before: Before,
    seen: set[str],
) -> None:
    world.reset(scene.start)
    ran = world.run(*scene.command, at=strace.failing(call, fault))
    require_decent(ran)
    require(ran.code != 2, f"it takes the fault for a wrong command line: {ran.said}")
    require_nothing_lost(world)
    tree = world.tree()
    digest = world.digest(tree)
    if ran.code == 1:
        now, old = ({path: at for path, at in each.items() if path not in _NO_CHANGE} for each in (tree, before.tree))
        require_between(now, old, old)
        require(world.records() == before.records, "exit code 1, but the record has changed")
    if ran.code in (1, 3):
        _require_said(ran, fault)
    if ran.code == 0 and way == scene.command:
        require_between(tree, ends[0].tree, ends[1].tree)
    if digest == before.digest:
        world.still_stands_at(scene.start)
    # What the next run does depends on the host alone.
    host = f"{scene.name} {way} {digest}"
    if host in seen or (way == ("rollback",) and world.is_done() and tree == ends[0].tree):
        return
    seen.add(host)
    if way == ("rollback",) and ran.code == 4:
        # It has ended, but for what the error tells, with the command that tries that again.
        way = _told(ran)
    again = world.run(*way)
    require_decent(again)
    require(again.code == 0, f"then `{' '.join(way)}` exits with {again.code}: {again.said}\nafter: {ran.said[-600:]}")
    require_between(world.tree(), ends[0].tree, ends[1].tree)


def _told(ran: Ran) -> Command:
    """Returns the command of the hint."""
    told = re.search(r"`system-manager (.*)`", ran.err)
    if told is None:
        raise Failed(f"no command is told: {ran.said}")
    return tuple(told[1].split())


def _require_said(ran: Ran, fault: str) -> None:
    """The error must say why it happened, and where."""
    message = os.strerror(getattr(errno, fault))
    lines = [line for line in ran.err.splitlines() if line.startswith("error:")]
    require(lines, f"exit code {ran.code} without an error: {ran.said[-600:]}")
    text = ran.err[ran.err.index("error:") :]
    # Of a file, or of a command.
    require("/" in text or "`" in text or "thread" in text, f"the error has no path: {text}")
    said = message in text or "(os error" in text or fault in text or _IN_OUR_WORDS.get(fault, message) in text
    require(said, f"the error does not say why ({message}): {text}")


def _describe(case: Case) -> str:
    scene, call, fault, way, _, _ = case
    return f"{scene.name}, {fault} at {call}, then {' '.join(way)}"
