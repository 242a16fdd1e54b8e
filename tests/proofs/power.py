"""Power cuts: the disk is what it was at some moment of a run, without some of what was not yet flushed.

The run is done on ext4 on a disk that remembers its writes. A state of the disk after a power cut is all writes up to
the last flush before a moment, and any part of those after it, in blocks. Each is mounted, which replays the journal of
the file system, and the program is run again: on, or back. What it has said to be done, before the cut, must be there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import blockdev
import kill
from kill import Command, Reference, Scene
from tally import Tally
from world import LIMIT, Tree, World, require, require_between, require_decent, require_nothing_lost, run

_DEFAULT = 1000
_SIZE = 16 << 20
_BLOCK = 4096
_SCENES = [scene for scene in kill.SCENES if scene.name != "register"]


@dataclass(frozen=True)
class Write:
    """An entry of a disk's log."""

    flush: bool
    offset: int
    data: bytes


@dataclass(frozen=True)
class Recording:
    """What a run has written."""

    scene: Scene
    image: Path
    """The disk before it."""
    log: tuple[Write, ...]
    done: Reference
    """What the host is once the run has said that it is done."""


def is_missing() -> str | None:
    """Returns why no power can be cut here, and what to do."""
    for tool, package in (("mkfs.ext4", "e2fsprogs"), ("losetup", "mount")):
        if shutil.which(tool) is None:
            return f"there is no {tool}; run with: apt-get install {package}"
    if not Path("/dev/fuse").exists() or not Path("/dev/loop-control").exists():
        return "there is no /dev/fuse or no loop device; run with: modprobe fuse loop"
    return None


def sweep(worlds: Sequence[World], tally: Tally, sample: int | None) -> None:
    """Cuts the power `sample` times, in all scenes."""
    first = worlds[0]
    kill.prepare(first)
    count = -(-(sample or _DEFAULT) // len(_SCENES))
    cases: list[Case] = []
    for scene in _SCENES:
        if not tally.wants(scene.name):
            continue
        ways = [(scene.command,), (kill.AWAY,)]
        ends = [kill.references(first, scene, way) for way in ways]
        recording = _record(first, scene)
        flushes = sum(write.flush for write in recording.log)
        tally.notes.append(f"{scene.name}: {len(recording.log) - flushes} writes, {flushes} flushes")
        for number in range(count):
            way = number % 2
            cases.append((recording, ways[way][0], ends[way], number))

    def check(world: World, case: Case) -> None:
        _check(world, case, tally.chance(case[0].scene.name, case[3]))

    tally.each(worlds, cases, check, _describe)


Case = tuple[Recording, Command, tuple[Reference, Reference], int]


def _record(world: World, scene: Scene) -> Recording:
    """Runs a scene's command on a disk that remembers."""
    image = world.shared / f"image-{scene.name.replace(' ', '-')}"
    with image.open("wb") as file:
        file.truncate(_SIZE)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-b", str(_BLOCK), str(image)], check=True)
    with _mounted(world, image):
        subprocess.run(["cp", "-a", f"{world.shared / scene.start}", world.root], check=True)
    folder, log = world.folder / "fuse", world.folder / "log"
    folder.mkdir(exist_ok=True)
    log.unlink(missing_ok=True)
    server = subprocess.Popen(
        [sys.executable, "-B", blockdev.__file__, str(folder), str(image), str(log)], stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    try:
        require(server.stdout.readline() == b"ready\n", "there is no disk that remembers")
        with _mounted(world, folder / "disk"):
            begin = log.stat().st_size
            world.succeed(*scene.command)
            end = log.stat().st_size
            done = Reference(world.tree(), world.records())
        subprocess.run(["umount", folder], check=True)
    finally:
        server.kill()
        server.wait()
    writes = tuple(_read_log(log.read_bytes()[:end]))
    # What mounting has written is on the disk before the run begins.
    before = len(tuple(_read_log(log.read_bytes()[:begin])))
    with image.open("r+b") as disk:
        for write in writes[:before]:
            disk.seek(write.offset)
            disk.write(write.data)
    return Recording(scene, image, writes[before:], done)


def _read_log(text: bytes) -> Iterator[Write]:
    at = 0
    while at < len(text):
        kind, offset, length = blockdev.HEAD.unpack_from(text, at)
        at += blockdev.HEAD.size
        yield Write(kind == b"f", offset, text[at : at + length])
        at += length


def _surviving(log: Sequence[Write], chance: Random) -> tuple[list[Write], bool]:
    """Returns the writes that a power cut leaves, and whether the run had come to its end."""
    cut = len(log) if chance.random() < 0.1 else chance.randrange(len(log) + 1)
    flushed = max((index for index, write in enumerate(log[:cut]) if write.flush), default=-1)
    share = chance.choice((0.0, 0.5, 0.5, 0.9))
    left = list(log[: flushed + 1])
    for write in log[flushed + 1 : cut]:
        left += [
            Write(False, write.offset + begin, write.data[begin : begin + _BLOCK])
            for begin in range(0, len(write.data), _BLOCK)
            if chance.random() < share
        ]
    return left, cut == len(log)


def _check(world: World, case: Case, chance: Random) -> None:
    recording, way, ends, _ = case
    left, is_done = _surviving(recording.log, chance)
    with _image(world, recording.image, left) as image, _mounted(world, image):
        require_nothing_lost(world)
        if way == recording.scene.command == ("rollback",) and world.is_at(ends[0].tree):
            return
        if is_done:
            require_between(_but_tmpfiles(world.tree()), *[_but_tmpfiles(recording.done.tree)] * 2)
        ran = world.run(*way)
        require_decent(ran)
        require(ran.code == 0, f"`{' '.join(way)}` exits with {ran.code}: {ran.said}")
        require_between(_but_tmpfiles(world.tree()), *(_but_tmpfiles(end.tree) for end in ends))


@contextmanager
def _image(world: World, before: Path, writes: Sequence[Write]) -> Iterator[Path]:
    """Makes the disk that has these writes.

    Each is a file of its own: `mount` takes the loop device of a file that it knows, if that is not yet gone, with what
    that remembers of the disk before.
    """
    descriptor, name = tempfile.mkstemp(prefix="cut-", dir=world.folder)
    os.close(descriptor)
    image = Path(name)
    try:
        shutil.copyfile(before, image)
        with image.open("r+b") as disk:
            for write in writes:
                disk.seek(write.offset)
                disk.write(write.data)
        yield image
    finally:
        image.unlink()


def _but_tmpfiles(tree: Tree) -> Tree:
    """Leaves out what systemd-tmpfiles has written, which it does not flush."""
    return {path: at for path, at in tree.items() if not path.startswith(("etc/tmp-made", "lost+found"))}


@contextmanager
def _mounted(world: World, image: Path) -> Iterator[None]:
    """Mounts a disk, on which the world's root is then."""
    place = world.folder / "mnt"
    place.mkdir(exist_ok=True)
    before = world.root
    mounting = run(["mount", "-o", "loop", str(image), str(place)])
    require(mounting.code == 0, f"the disk can't be mounted: {mounting.said}")
    world.root = place / "root"
    try:
        yield
    finally:
        world.root = before
        _unmount(place)


def _unmount(place: Path) -> None:
    deadline = time.monotonic() + LIMIT
    while (ended := run(["umount", str(place)])).code != 0:
        # A process that was just killed may still hold it.
        if time.monotonic() > deadline:
            raise RuntimeError(ended.said)
        os.sched_yield()


def _describe(case: Case) -> str:
    recording, way, _, number = case
    return f"{recording.scene.name}, power cut {number}, then {' '.join(way)}"
