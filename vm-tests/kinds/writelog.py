"""What a power cut leaves of a disk: built from the log that QEMU's `blklogwrites` driver keeps of every write.

A disk with a volatile cache keeps what it was told to flush. Of what was written since, any part may survive, in any
order. Killing QEMU alone loses nothing of that, since the host's page cache lives on.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from base.errors import MachineError

# The format is that of the kernel's dm-log-writes target, little endian.
_MAGIC = 0x6A736677736872
_SUPER = struct.Struct("<QQQI")
_ENTRY = struct.Struct("<QQQQ")
_FLUSH, _FUA, _DISCARD = 1, 2, 4


@dataclass(frozen=True)
class Write:
    """An entry of the log: bytes `offset` to `offset + length` of the disk, and where the data is in the log."""

    offset: int
    length: int
    flush: bool
    durable: bool
    """Written through any cache, by itself."""
    discard: bool
    data: int


def read_log(path: Path) -> list[Write]:
    """Reads all whole entries of a log, also those that its superblock doesn't count yet."""
    size = path.stat().st_size
    with path.open("rb") as log:
        magic, _, counted, sector = _SUPER.unpack(log.read(_SUPER.size))
        if magic != _MAGIC:
            raise MachineError(f"`{path}` is not a log of writes")
        entries, position, last = [], sector, ""
        while position + sector <= size:
            log.seek(position)
            start, count, flags, _ = _ENTRY.unpack(log.read(_ENTRY.size))
            last = f"the one at byte {position} says: {count} sectors at {start}, flags {flags}"
            if not count and not flags:
                break
            discard = bool(flags & _DISCARD)
            data, length = position + sector, count * sector
            position = data + (0 if discard else length)
            if position > size:
                break
            entries.append(Write(start * sector, length, bool(flags & _FLUSH), bool(flags & _FUA), discard, data))
    if len(entries) < counted:
        raise MachineError(f"`{path}` has {counted} entries, of which only {len(entries)} can be read; {last}")
    return entries


def surviving(log: Sequence[Write], chance: random.Random) -> Iterator[Write]:
    """Yields what a power cut at the end of the log leaves: all up to the last flush, then each write or not. Pure."""
    flushed = max((index for index, write in enumerate(log) if write.flush), default=-1)
    for index, write in enumerate(log):
        if write.length and not write.discard and (index <= flushed or write.durable or chance.random() < 0.5):
            yield write


def replay(log: Path, writes: Iterator[Write], disk: Path) -> None:
    """Applies writes to a raw disk, in their order."""
    with log.open("rb") as source, disk.open("r+b") as target:
        for write in writes:
            source.seek(write.data)
            target.seek(write.offset)
            target.write(source.read(write.length))
