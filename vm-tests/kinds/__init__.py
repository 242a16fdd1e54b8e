"""The kinds of machine: what each needs of the host, and how one is made."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from api.systemd_api import SystemdMachine
from images.distros import DISTROS
from images.rootimage import ROOT_IMAGES, ROOT_VARIANTS, lacks_root
from kinds.container import Container
from kinds.qemu import Qemu, builds_image, lacks_image
from kinds.uml import UserModeLinux

KINDS = ("container", "uml", "qemu")
"""All kinds, from the fastest to the most real."""

# What each kind needs: programs, and the packages that have them.
_TOOLS = {
    "container": {"systemd-nspawn": "systemd-container"},
    "uml": {"mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs"},
    "qemu": {
        "qemu-system-x86_64": "qemu-system-x86",
        "qemu-img": "qemu-utils",
        "genisoimage": "genisoimage",
    },
}
_TO_BUILD_CLOUD_IMAGES = {"sgdisk": "gdisk", "mmdebstrap": "mmdebstrap"}

DEFAULT_IMAGE = {"container": "host", "uml": "debian-12", "qemu": "debian-12"}
"""What each kind boots when nothing is chosen; `host` is the running system."""


def unknown(kind: str, image: str | None) -> str | None:
    """Says that there is no such kind, or no such image for it, and which there are, or nothing. Reads only."""
    if kind not in KINDS:
        return f"there is no kind of machine `{kind}`; there are: {', '.join(KINDS)}"
    name, _, file = (image or DEFAULT_IMAGE[kind]).partition("=")
    known = {
        "container": ["host", *ROOT_IMAGES, *ROOT_VARIANTS],
        "uml": list(ROOT_IMAGES),
        "qemu": list(DISTROS),
    }[kind]
    if name not in known:
        return f"there is no image `{name}` for {kind}; there are: {', '.join(known)}"
    if file and kind != "qemu":
        return f"an image of {kind} is made, not taken from a file; leave out `={file}`"
    if file and not Path(file).is_file():
        return f"the image of {name} is not there: {file}"
    return None


def missing(kind: str, image: str | None = None) -> str | None:
    """Says what this host lacks for a kind and how to get it, or nothing if it can run. Reads only."""
    if os.geteuid() != 0:
        return f"machines need root; run with: sudo vm-tests/run --kind {kind}"
    wanted = image or DEFAULT_IMAGE[kind]
    tools = _TOOLS[kind]
    if kind == "qemu" and builds_image(wanted):
        tools = tools | _TO_BUILD_CLOUD_IMAGES
    lacking = {tool: package for tool, package in tools.items() if shutil.which(tool) is None}
    if lacking:
        names, packages = ", ".join(lacking), " ".join(lacking.values())
        return f"not installed: {names}; run with: apt-get install {packages} && vm-tests/run --kind {kind}"
    return lacks_image(wanted) if kind == "qemu" else lacks_root(wanted)


def make_machine(
    kind: str, name: str = "machine", *, image: str | None = None, out_dir: Path | None = None, **options: Any
) -> SystemdMachine:
    """Makes a machine of a kind, with the options that the kind has. Whoever calls it must `release` it."""
    if kind == "container":
        return Container(name, image=image or DEFAULT_IMAGE[kind], out_dir=out_dir, **options)
    if kind == "uml":
        return UserModeLinux(name, image=image or DEFAULT_IMAGE[kind], out_dir=out_dir, **options)
    if kind == "qemu":
        return Qemu(name, image=image or DEFAULT_IMAGE[kind], out_dir=out_dir, **options)
    raise ValueError(f"there is no machine kind `{kind}`; there are: {', '.join(KINDS)}")
