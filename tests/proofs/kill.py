"""Kill sweep: the program is killed on entering each system call that changes the disk, and run again.

After each kill the way on is taken (the same command), another way (another configuration), or the way back (everything
away, or the generation before). The host must then be what it would have been without the kill: content, modes, owners,
attributes, old times, accounts, the record, the copies in the backups, and nothing else.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import strace
import upstream
from strace import Call
from tally import Tally
from world import Records, Tree, World, require, require_between, require_decent, require_nothing_lost

Command = tuple[str, ...]


@dataclass(frozen=True)
class Scene:
    """A command that is killed, what was done before, and the ways from there."""

    name: str
    start: str
    """The name of the kept host on which it begins."""
    command: Command
    ways: tuple[tuple[Command, ...], ...]
    """Each a list of commands that are run, one after the other."""


ACTIVATE: Command = ("activate",)
AWAY: Command = ("deactivate",)
OTHER: Command = ("activate", "@three")
ONE: Command = ("activate", "@one")

SCENES = (
    Scene("first switch", "registered-one", ACTIVATE, ((ACTIVATE,), (OTHER,), (AWAY,), (OTHER, AWAY))),
    Scene("change", "registered-two", ACTIVATE, ((ACTIVATE,), (OTHER,), (AWAY,), (("rollback", "--to", "1"),))),
    Scene("rollback", "two", ("rollback",), ((("rollback",),), (("activate", "@two"),), (AWAY,))),
    Scene("deactivate", "two", AWAY, ((AWAY,), (ACTIVATE,), (OTHER, AWAY))),
    Scene("register", "one", ("register", "@two"), ((("register", "@two"), ACTIVATE), (AWAY,))),
    Scene("a run after a kill", "interrupted", ACTIVATE, ((ACTIVATE,), (AWAY,))),
    Scene("takeover", "upstream", ONE, ((ONE,), (OTHER,), (AWAY,), (OTHER, AWAY))),
    Scene("takeover and away", "upstream", AWAY, ((AWAY,), (ONE,))),
)


def prepare(world: World) -> None:
    """Makes the hosts on which scenes begin, and keeps them by their names."""
    world.begin()
    world.archive("empty")
    world.succeed("register", "@one")
    world.archive("registered-one")
    world.succeed("activate")
    world.archive("one")
    world.succeed("register", "@two")
    # Someone has edited what stays, what changes and what goes.
    for name in ("same", "changed", "given-back"):
        world.edit(name, f"by hand: {name}\n")
    world.archive("registered-two")
    # Killed about the middle of the change.
    calls = strace.changing(strace.trace(world, "activate"))
    for name in ("same", "added/here/deep", "carried"):
        world.edit(name, f"by hand again: {name}\n")
    world.archive("two")
    world.reset("registered-two")
    world.run("activate", at=strace.killing(calls[len(calls) * 3 // 5]))
    world.archive("interrupted")
    world.reset("empty")
    upstream.manage(world)
    world.archive("upstream")


def sweep(worlds: Sequence[World], tally: Tally, sample: int | None) -> None:
    """Kills at every call of every scene, or at `sample` of them."""
    prepare(worlds[0])
    each = sample and max(1, sample // sum(len(scene.ways) for scene in SCENES))
    cases: list[Case] = []
    for scene in SCENES:
        if not tally.wants(scene.name):
            continue
        calls = _calls(worlds[0], scene)
        for number, way in enumerate(scene.ways):
            ends = references(worlds[0], scene, way)
            cases += [(scene, way, call, ends) for call in tally.some(calls, each, scene.name, number)]
    tally.each(worlds, cases, lambda world, case: _check(world, *case), _describe)


def _calls(world: World, scene: Scene) -> list[Call]:
    world.reset(scene.start)
    return strace.changing(strace.trace(world, *scene.command))


@dataclass(frozen=True)
class Reference:
    """What a host comes to when nothing is killed."""

    tree: Tree
    records: Records


Case = tuple[Scene, tuple[Command, ...], Call, tuple[Reference, Reference]]


def references(world: World, scene: Scene, way: Sequence[Command]) -> tuple[Reference, Reference]:
    """Returns what comes of a way after the whole command, and without it."""

    def after(commands: Iterator[Command]) -> Reference:
        world.reset(scene.start)
        for command in commands:
            world.succeed(*command)
        return Reference(world.tree(), world.records())

    # The way on ends in one place only. A rollback that is repeated goes to where the first one was going.
    if way[0] == scene.command:
        whole = after(iter(way))
        return whole, whole
    return after(iter((scene.command, *way))), after(iter(way))


def _check(world: World, scene: Scene, way: Sequence[Command], call: Call, ends: tuple[Reference, Reference]) -> None:
    world.reset(scene.start)
    killed = world.run(*scene.command, at=strace.killing(call))
    require(killed.code == -signal.SIGKILL, f"it was not killed: it ended with {killed.code}: {killed.said}")
    require_nothing_lost(world)
    if way == (scene.command,) == (("rollback",),) and world.is_at(ends[0].tree):
        return  # it was over, and the next one would be another one
    for command in way:
        ran = world.run(*command)
        require_decent(ran)
        require(ran.code == 0, f"`{' '.join(command)}` exits with {ran.code}: {ran.said}")
    require_between(world.tree(), ends[0].tree, ends[1].tree)
    require_between(world.records(), ends[0].records, ends[1].records)
    status = world.succeed("status").said
    for word in ("interrupted", "drift", "by hand"):
        require(word not in status, f"status says: {status}")


def _describe(case: Case) -> str:
    scene, way, call, _ = case
    return f"{scene.name}, killed at {call}, then {' and '.join(' '.join(command) for command in way)}"
