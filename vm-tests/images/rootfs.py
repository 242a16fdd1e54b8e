"""What a container's root is made of: a stock root below, a mask that cleans it, and the test's own changes on top.

The mask is an overlay layer of its own, so that the layer above it holds exactly what happened in the machine.
"""

from __future__ import annotations

import os
import shutil
import stat
import uuid
from pathlib import Path

# Directories of the lower root that make a stock system. Everything else at the top level is the host's own business
# and not visible: neither /nix (a machine has Nix's store only if a test brings it) nor anybody's home.
_STOCK = {"bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "var", "boot"}

# Fresh directories at the top level, with their modes.
_FRESH = {
    "dev": 0o755,
    "home": 0o755,
    "media": 0o755,
    "mnt": 0o755,
    "opt": 0o755,
    "proc": 0o555,
    "root": 0o700,
    "run": 0o755,
    "srv": 0o755,
    "sys": 0o555,
    "tmp": 0o1777,
}

# Directories that are there but lose their content: what is installed by hand, enabled, logged or left over.
_EMPTIED = [
    "etc/systemd/network",
    "etc/systemd/system",
    "etc/systemd/user",
    *(f"etc/rc{level}.d" for level in "0123456S"),
    "usr/local",
    "var/lib/system-manager",
    "var/log/journal",
    "var/tmp",
]

_LOCAL_DIRS = ("bin", "etc", "games", "include", "lib", "sbin", "share", "src")

# The link that `default.target` is on a server.
_DEFAULT_TARGET = "/lib/systemd/system/multi-user.target"

_HOSTS = """\
127.0.0.1\tlocalhost
127.0.1.1\t{name}
::1\tlocalhost ip6-localhost ip6-loopback
"""


def build_mask(mask: Path, lower: Path, hostname: str) -> None:
    """Writes the masking layer for `lower` into the empty directory `mask`. Needs root, for whiteouts."""
    mask.chmod(0o755)
    for entry in lower.iterdir():
        if entry.name not in _STOCK:
            _hide(mask / entry.name)
    for name, mode in _FRESH.items():
        (mask / name).unlink(missing_ok=True)  # the whiteout, if the lower root has one of that name
        _make_opaque(mask / name, mode)
    for relative in _EMPTIED:
        if (lower / relative).is_dir():
            _mirror_parents(mask, lower, relative)
            _make_opaque(mask / relative, stat.S_IMODE((lower / relative).stat().st_mode))
    for name in _LOCAL_DIRS:
        if (mask / "usr/local").is_dir():
            (mask / "usr/local" / name).mkdir(mode=0o755)
    _write_identity(mask, lower, hostname)


def _write_identity(mask: Path, lower: Path, hostname: str) -> None:
    etc = mask / "etc"
    _mirror_parents(mask, lower, "etc/systemd/system/default.target")
    (etc / "systemd/system/default.target").symlink_to(_DEFAULT_TARGET)
    # An empty file would be a first boot, which enables every unit that is installed.
    (etc / "machine-id").write_text(f"{uuid.uuid4().hex}\n")
    (etc / "machine-id").chmod(0o444)
    (etc / "hostname").write_text(f"{hostname}\n")
    (etc / "hosts").write_text(_HOSTS.format(name=hostname))
    (etc / "resolv.conf").write_text("# no network\n")
    (etc / "fstab").write_text("")
    skeleton = lower / "etc/skel"
    for name in (".bashrc", ".profile"):
        if (skeleton / name).is_file():
            shutil.copy(skeleton / name, mask / "root" / name)


def _hide(path: Path) -> None:
    """Makes a whiteout (the kernel's overlayfs.rst): the name does not exist in the merged tree."""
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(0, 0))


def _make_opaque(path: Path, mode: int) -> None:
    """Makes a directory that shows nothing of the one below it."""
    path.mkdir(exist_ok=True)
    path.chmod(mode)
    os.setxattr(path, "trusted.overlay.opaque", b"y")


def _mirror_parents(mask: Path, lower: Path, relative: str) -> None:
    """Makes the parents of `relative` with the mode and owner that they have below, since the upper one wins."""
    for parent in reversed(Path(relative).parents[:-1]):
        target, model = mask / parent, lower / parent
        if not target.exists():
            target.mkdir()
            if model.is_dir():
                status = model.stat()
                os.chown(target, status.st_uid, status.st_gid)
                target.chmod(stat.S_IMODE(status.st_mode))
