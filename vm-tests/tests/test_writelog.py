"""What a power cut leaves: never less than what was flushed, never more than what was written."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from base.errors import MachineError
from kinds.writelog import Write, read_log, replay, surviving

_SECTOR = 512


def _log(path: Path, entries: list[tuple[int, bytes, int]], tail: bytes = b"", counted: int = 0) -> Path:
    """Writes a log of (sector, data, flags)."""
    data = struct.pack("<QQQI", 0x6A736677736872, 1, counted, _SECTOR).ljust(_SECTOR, b"\0")
    for sector, content, flags in entries:
        data += struct.pack("<QQQQ", sector, len(content) // _SECTOR, flags, 0).ljust(_SECTOR, b"\0") + content
    path.write_bytes(data + tail)
    return path


def test_log_is_read_up_to_its_last_whole_entry(tmp_path: Path) -> None:
    one, two = b"1" * _SECTOR, b"2" * _SECTOR * 2
    cut = struct.pack("<QQQQ", 9, 8, 0, 0).ljust(_SECTOR, b"\0") + b"half"
    entries = read_log(_log(tmp_path / "log", [(3, one, 0), (0, b"", 1), (5, two, 2)], cut))
    assert [(entry.offset, entry.length, entry.flush, entry.durable) for entry in entries] == [
        (3 * _SECTOR, _SECTOR, False, False),
        (0, 0, True, False),
        (5 * _SECTOR, 2 * _SECTOR, False, True),
    ]
    unused = read_log(_log(tmp_path / "log", [(3, one, 0)], b"\0" * 4096))
    assert len(unused) == 1


def test_log_with_a_hole_is_refused(tmp_path: Path) -> None:
    log = _log(tmp_path / "log", [(3, b"1" * _SECTOR, 0), (0, b"", 0), (5, b"2" * _SECTOR, 1)], counted=3)
    with pytest.raises(MachineError, match="3 entries, of which only 1 can be read; the one at byte 1536 says: 0 sec"):
        read_log(log)


def test_other_file_is_no_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * 4096)
    with pytest.raises(MachineError, match="not a log"):
        read_log(tmp_path / "log")


def test_flushed_writes_survive_and_later_ones_may() -> None:
    before = [Write(n, 1, False, False, False, n) for n in range(3)]
    flush = Write(0, 0, True, False, False, 0)
    after = [Write(n, 1, False, False, False, n) for n in range(10, 30)]
    durable = Write(99, 1, False, True, False, 99)
    seen = set()
    for seed in range(50):
        kept = list(surviving([*before, flush, *after, durable], random.Random(seed)))
        assert kept[:3] == before
        assert kept[-1] == durable
        assert set(kept) <= {*before, *after, durable}
        seen.add(len(kept))
    assert len(seen) > 3


def test_surviving_writes_reach_the_disk_in_order(tmp_path: Path) -> None:
    log = _log(tmp_path / "log", [(1, b"a" * _SECTOR, 0), (1, b"b" * _SECTOR, 0), (0, b"", 1)])
    disk = tmp_path / "disk"
    disk.write_bytes(b"." * _SECTOR * 3)
    replay(log, surviving(read_log(log), random.Random(0)), disk)
    assert disk.read_bytes() == b"." * _SECTOR + b"b" * _SECTOR + b"." * _SECTOR
