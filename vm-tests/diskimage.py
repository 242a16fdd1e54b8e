"""Disks without partitions, for kernels that are started directly: a cleaned root of `rootimage`, with the agent."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from agent_machine import AGENT_PATH, AGENT_SOURCE, AGENT_UNIT
from cache import cached
from errors import MachineError
from process import run
from rootfs import build_mask
from rootimage import ROOT_IMAGES, root_of
from sandbox import Sandbox

_LIMIT = 600.0
_SIZE = "4G"
_RECIPE = 1

_UNITS = "usr/lib/systemd/system"


def disk_of(image: str, port: str) -> Path:
    """Returns a raw ext4 disk of an image whose agent listens on `port`, making it if it is not in the cache."""
    root = root_of(image)
    recipe = f"{_RECIPE} {ROOT_IMAGES[image]!r} {port} {_SIZE} {AGENT_UNIT} {AGENT_SOURCE.read_text()}"
    return cached(f"disk-{image}", recipe, lambda directory: _build(root, port, directory)) / "disk.raw"


def _build(root: Path, port: str, directory: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="machine-disk-") as work:
        mask, live = Path(work) / "mask", Path(work) / "live"
        mask.mkdir()
        live.mkdir()
        build_mask(mask, root, "machine")
        # The layer wins over the root below it, so what the agent needs goes there.
        for relative in (_UNITS, f"{_UNITS}/basic.target.wants"):
            (mask / relative).mkdir(parents=True, exist_ok=True)
        (mask / _UNITS / "machine-agent.service").write_text(AGENT_UNIT.replace("@PORT@", port))
        (mask / _UNITS / "basic.target.wants/machine-agent.service").symlink_to("../machine-agent.service")
        shutil.copy(AGENT_SOURCE, mask / AGENT_PATH.lstrip("/"))
        sandbox = Sandbox(live, mask, root)
        try:
            disk = str(directory / "disk.raw")
            argv = ["mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", str(sandbox.root), disk, _SIZE]
            done = run(sandbox.command(["nice", "-n", "10", *argv]), _LIMIT)
        finally:
            sandbox.close()
    if done.status != 0:
        raise MachineError(f"making a disk of {root}: {done.errors}")
