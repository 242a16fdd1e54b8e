"""Disks without partitions, for kernels that are started directly: a cleaned root of `rootimage`, with the agent."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from base.errors import MachineError
from base.process import run
from images.cache import cached
from images.rootfs import build_mask
from images.rootimage import POLICY, ROOT_IMAGES, root_of
from images.sandbox import Sandbox
from images.seed import AGENT_PATH, AGENT_SOURCE, AGENT_UNIT

_LIMIT = 600.0
_SIZE = "4G"
_RECIPE = 1

_UNITS = "usr/lib/systemd/system"

# Labels what the mask has put over a root that is labelled already. In an overlay setfiles passes files over unless
# they are named, since files and folders seem to be on different devices.
_LABEL = f"""\\
set -e
root=$1 mask=$2; shift 2
if [ -e "$root{POLICY}" ]; then
  mount -t proc proc "$root/proc"
  (cd "$mask" && find . \\( -type f -o -type l -o -type d \\) -printf '/%P\\n') |
    chroot "$root" setfiles -F -q -e /proc -f - {POLICY}
  umount "$root/proc"
fi
exec "$@"
"""


# How a file system is made from a folder ($1) in a file ($2). Only ext4 needs no help of the host's kernel.
_MOUNTED = """
    truncate --size=%s "$2"
    %s "$2"
    mkdir "$2.mount"
    mount -o loop "$2" "$2.mount"
    cp --archive "$1/." "$2.mount/"
    umount "$2.mount"
    rmdir "$2.mount"
"""
_MAKERS = {
    "ext4": f'mke2fs -q -t ext4 -L root -d "$1" "$2" {_SIZE}',
    "btrfs": _MOUNTED % (_SIZE, "mkfs.btrfs --quiet --label root"),
    "xfs": _MOUNTED % (_SIZE, "mkfs.xfs -q -L root -s size=4096"),
}


def disk_of(image: str, port: str, filesystem: str = "ext4") -> Path:
    """Returns a raw disk of an image whose agent listens on `port`, making it if it is not in the cache."""
    root = root_of(image)
    maker = _MAKERS[filesystem]
    recipe = f"{_RECIPE} {maker} {_LABEL} {ROOT_IMAGES[image]!r} {port} {AGENT_UNIT} {AGENT_SOURCE.read_text()}"
    return cached(f"disk-{image}", recipe, lambda directory: _build(root, port, maker, directory)) / "disk.raw"


def _build(root: Path, port: str, maker: str, directory: Path) -> None:
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
            argv = ["sh", "-ec", maker, "make", str(sandbox.root), str(directory / "disk.raw")]
            label = ["sh", "-c", _LABEL, "label", str(sandbox.root), str(mask)]
            done = run(sandbox.command(["nice", "-n", "10", *label, *argv]), _LIMIT)
        finally:
            sandbox.close()
    if done.status != 0:
        raise MachineError(f"making a disk of {root}: {done.errors}")
