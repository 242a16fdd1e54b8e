"""Faults: each system call of a run fails once, with each error that the kernel may have for it.

A run may say so and stop, or go on; but what it says must be true. After exit code 0 the host is what it would have
been; after 1 nothing is changed; after 3 the same command ends it. Nothing is lost, and the error says where.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

import kill
import strace
from kill import Command, Reference, Scene
from strace import Call
from tally import Tally
from world import Ran, World, require, require_between, require_decent, require_nothing_lost

_IN_OUR_WORDS = {"EROFS": "is on a read-only file system", "EACCES": "may not be written to"}
"""What is said where it was seen before anything was done, with what to do."""

# The lock and the folders that it and copies are in, and the lock that every tool of accounts takes.
_NO_CHANGE = ("var/lib/system-manager", "var/lib/system-manager/backups", "etc/.pwd.lock")

Case = tuple[Scene, Call, str, Command, tuple[Reference, Reference], Reference]

_SCENES = [scene for scene in kill.SCENES if scene.name in ("first switch", "change", "rollback", "deactivate")]


def sweep(worlds: Sequence[World], tally: Tally, sample: int | None) -> None:
    """Fails every call of every scene in every way, or `sample` of them."""
    kill.prepare(worlds[0])
    cases: list[Case] = []
    for scene in _SCENES:
        worlds[0].reset(scene.start)
        before = _state(worlds[0])
        calls = strace.injectable(strace.trace(worlds[0], *scene.command))
        ways = [(scene.command,), (kill.AWAY,)]
        ends = [kill.references(worlds[0], scene, way) for way in ways]
        for number, (call, fault) in enumerate((call, fault) for call in calls for fault in strace.FAULTS):
            way = number % len(ways)
            cases.append((scene, call, fault, ways[way][0], ends[way], before))
    tally.each(worlds, tally.some(cases, sample), lambda world, case: _check(world, *case), _describe)


def _state(world: World) -> Reference:
    return Reference(world.tree(), world.records())


def _check(
    world: World,
    scene: Scene,
    call: Call,
    fault: str,
    way: Command,
    ends: tuple[Reference, Reference],
    before: Reference,
) -> None:
    world.reset(scene.start)
    ran = world.run(*scene.command, before=strace.failing(call, fault))
    require_decent(ran)
    require(ran.code != 2, f"it takes the fault for a wrong command line: {ran.said}")
    require_nothing_lost(world)
    if ran.code == 1:
        now, old = (
            {path: at for path, at in tree.items() if path not in _NO_CHANGE} for tree in (world.tree(), before.tree)
        )
        require_between(now, old, old)
        require(world.records() == before.records, "exit code 1, but the record has changed")
    if ran.code in (1, 3):
        _require_said(ran, fault)
    if ran.code == 0 and way == scene.command:
        require_between(world.tree(), ends[0].tree, ends[1].tree)
    if way == ("rollback",) and world.is_done() and world.tree() == ends[0].tree:
        return
    again = world.run(*way)
    require_decent(again)
    require(again.code == 0, f"then `{' '.join(way)}` exits with {again.code}: {again.said}\nafter: {ran.said[-600:]}")
    require_between(world.tree(), ends[0].tree, ends[1].tree)


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
