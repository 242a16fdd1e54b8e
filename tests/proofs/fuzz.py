"""Fuzzing: each parser gets what libFuzzer makes up, which follows the branches that it reaches.

It begins with what the program itself has written: nothing may panic, take longer than some seconds, or much memory;
what is written and read again is the same. `src/face/fuzz.rs` says what is tried of each.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import kill
from tally import Tally, side_by_side
from world import PROJECT, Failed, World, require

PARSERS = ("manifest", "state", "ids", "journal", "plan", "accounts", "tmpfiles", "units", "nar")
_MINUTES = 10.0
_CARGO = ("cargo", "+nightly", "fuzz")
_HOW = "rustup toolchain install nightly; cargo install cargo-fuzz; tests/proofs/run fuzz"
_DATABASES = ("group", "gshadow", "passwd", "shadow", "subuid", "subgid", "shells")
"""In the order in which the program numbers them."""

_RECORDS = ("state", "ids", "journal")
_EXECUTED = re.compile(r"stat::number_of_executed_units:\s*(\d+)")


def is_missing() -> str | None:
    """Says what is missing for it, and how to get it; none when it can be done."""
    if shutil.which("cargo") is None:
        return f"there is no cargo; {_HOW}"
    there = subprocess.run([*_CARGO, "--version"], capture_output=True, check=False)
    return None if there.returncode == 0 else f"it needs a nightly compiler and cargo-fuzz; {_HOW}"


def sweep(worlds: Sequence[World], tally: Tally, sample: int | None) -> None:
    """Fuzzes each parser for some minutes, or with `sample` inputs."""
    kill.prepare(worlds[0])
    seeds = worlds[0].shared / "seeds"
    _write_seeds(worlds[0], seeds)
    subprocess.run([*_CARGO, "build", "--sanitizer", "none", "parse"], cwd=PROJECT, check=True)

    def fuzz(world: World, name: str) -> None:
        corpus = world.folder / f"corpus-{name}"
        corpus.mkdir()
        minutes = tally.minutes or _MINUTES
        chance = tally.chance(name).getrandbits(31)
        end = f"-max_total_time={minutes * 60:.0f}" if sample is None else f"-runs={sample}"
        ran = subprocess.run(
            [
                *(*_CARGO, "run", "--sanitizer", "none", "parse", str(corpus), str(seeds / name), "--"),
                *(end, f"-seed={chance}", "-timeout=10", "-rss_limit_mb=1024", "-max_len=16384"),
                *("-print_final_stats=1", f"-artifact_prefix={corpus}/found-"),
            ],
            cwd=PROJECT,
            env={**os.environ, "PARSER": name, "RUST_BACKTRACE": "1"},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        executed = _EXECUTED.search(ran.stderr)
        count = int(executed[1]) if executed else 0
        tally.tried += max(count - 1, 0)
        tally.notes.append(f"{name}: {count:,}")
        tally.count(lambda: _require_well(ran, corpus), lambda: name)

    side_by_side(worlds, [name for name in PARSERS if tally.wants(name)], fuzz)


def _require_well(ran: subprocess.CompletedProcess[str], corpus: Path) -> None:
    """The run must have ended by itself; else what was found is kept beside the project."""
    kept = [shutil.copy(path, PROJECT / "target" / path.name) for path in corpus.glob("found-*")]
    if ran.returncode or kept:
        raise Failed(f"it exits with {ran.returncode}; kept: {', '.join(map(str, kept))}\n{ran.stderr[-3000:]}")


def _write_seeds(world: World, seeds: Path) -> None:
    """Writes what the program reads and has written, for each parser."""
    hosts = {}
    for start in ("one", "two", "interrupted"):
        world.reset(start)
        hosts[start] = {path: path.read_bytes() for path in world.root.rglob("*") if path.is_file()}
    world.reset("one")
    world.succeed("plan", "@two", "--out", str(world.shared / "seed-plan"))
    texts: dict[str, list[bytes]] = {
        "manifest": [(top / "manifest.json").read_bytes() for top in world.toplevels.values()],
        "plan": [(world.shared / "seed-plan").read_bytes()],
        "units": [b"\0".join(path.read_bytes() for path in sorted(world.shared.glob("toplevel-*/sources/unit-*"))[:2])],
        "tmpfiles": [path.read_bytes() for path in world.shared.glob("toplevel-*/sources/tmpfiles")],
        "nar": [_nar({"a": b"text", "folder": {"link": "../a", "b": b""}}), _nar(b"x" * 9), _nar("to")],
        **{name: [] for name in ("accounts", *_RECORDS)},
    }
    for files in hosts.values():
        for path, text in files.items():
            if path.parent.name == "etc" and path.name in _DATABASES:
                texts["accounts"].append(bytes([_DATABASES.index(path.name)]) + text)
            if path.parent.name == "system-manager" and path.stem in _RECORDS:
                texts[path.stem] += [text, *_bare(text)]
    for name, all_of_it in texts.items():
        (seeds / name).mkdir(parents=True)
        require(all_of_it, f"there is nothing to begin with for {name}")
        for number, text in enumerate(all_of_it):
            (seeds / name / str(number)).write_bytes(text)


def _bare(text: bytes) -> list[bytes]:
    """Returns the records of a file without their checksums, after the version that they have."""
    lines = [line.split(b'"record":', 1) for line in text.splitlines()]
    versions = re.findall(rb'^{"version":(\d+)', text)
    if not versions or any(len(line) < 2 for line in lines):
        return []
    return [bytes([int(versions[0])]) + b"\n".join(line[1].removesuffix(b"}") for line in lines)]


def _nar(node: bytes | str | dict[str, object]) -> bytes:
    """Returns an archive of a file (bytes), a link (text) or a folder."""

    def word(text: bytes) -> bytes:
        return struct.pack("<Q", len(text)) + text + bytes(-len(text) % 8)

    def pack(node: object) -> bytes:
        if isinstance(node, bytes):
            words = [b"(", b"type", b"regular", b"contents", node, b")"]
        elif isinstance(node, str):
            words = [b"(", b"type", b"symlink", b"target", node.encode(), b")"]
        else:
            require(isinstance(node, dict), "an archive has files, links and folders")
            assert isinstance(node, dict)
            inside = b"".join(
                b"".join(map(word, (b"entry", b"(", b"name", name.encode(), b"node"))) + pack(child) + word(b")")
                for name, child in sorted(node.items())
            )
            return b"".join(map(word, (b"(", b"type", b"directory"))) + inside + word(b")")
        return b"".join(map(word, words))

    return word(b"nix-archive-1") + pack(node)
