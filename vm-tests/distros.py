"""The stock distributions as data: a row each, and nothing else differs between them.

The images are the distributions' own cloud images, booted unmodified; a seed (cloud-init's NoCloud) brings the agent.
"""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from pathlib import Path

from cache import cache_dir
from errors import MachineError

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Distro:
    """A stock cloud image for x86-64."""

    url: str
    sha256: str
    package_manager: str
    judges: tuple[str, ...]
    """The commands that say whether the distribution's own files are whole."""


_DPKG = ("dpkg --verify",)
_RPM = ("rpm --verify --all",)
_UBUNTU = "https://cloud-images.ubuntu.com/releases"
_DEBIAN = "https://cloud.debian.org/images/cloud"
_FEDORA = "https://download.fedoraproject.org/pub/fedora/linux/releases"

DISTROS = {
    "debian-12": Distro(
        f"{_DEBIAN}/bookworm/20260806-2562/debian-12-generic-amd64-20260806-2562.qcow2",
        "dd3dbd23a3965318cc9aae32592dcfde4abcb8f90a50ca760a9ca9e8f3ba6255",
        "apt",
        _DPKG,
    ),
    "debian-13": Distro(
        f"{_DEBIAN}/trixie/daily/20260809-2565/debian-13-generic-amd64-daily-20260809-2565.qcow2",
        "e2fc36d94c4fb15f412e921439eb380fb33b8911189282ed5371fd3a8adc9a5b",
        "apt",
        _DPKG,
    ),
    "fedora-41": Distro(
        f"{_FEDORA}/41/Cloud/x86_64/images/Fedora-Cloud-Base-Generic-41-1.4.x86_64.qcow2",
        "6205ae0c524b4d1816dbd3573ce29b5c44ed26c9fbc874fbe48c41c89dd0bac2",
        "dnf",
        _RPM,
    ),
    "fedora-42": Distro(
        f"{_FEDORA}/42/Cloud/x86_64/images/Fedora-Cloud-Base-Generic-42-1.1.x86_64.qcow2",
        "e401a4db2e5e04d1967b6729774faa96da629bcf3ba90b67d8d9cce9906bec0f",
        "dnf",
        _RPM,
    ),
    "fedora-43": Distro(
        f"{_FEDORA}/43/Cloud/x86_64/images/Fedora-Cloud-Base-Generic-43-1.6.x86_64.qcow2",
        "846574c8a97cd2d8dc1f231062d73107cc85cbbbda56335e264a46e3a6c8ab2f",
        "dnf",
        _RPM,
    ),
    "ubuntu-22.04": Distro(
        f"{_UBUNTU}/22.04/release-20260807/ubuntu-22.04-server-cloudimg-amd64.img",
        "ff271290a23279ce764561dbe2e9c3ec29da899535b571a987c37b47970c2ad9",
        "apt",
        _DPKG,
    ),
    "ubuntu-24.04": Distro(
        f"{_UBUNTU}/noble/release-20260801/ubuntu-24.04-server-cloudimg-amd64.img",
        "0533b0655c32e68b31d792ecd6ccfca95abdbc536c4446874fe0513bd4140ffe",
        "apt",
        _DPKG,
    ),
}
"""All distributions by name."""


def image_path(name: str) -> Path:
    """Returns where the image of a distribution is kept. Doesn't look."""
    return cache_dir() / f"cloud-{name}-{DISTROS[name].sha256[:16]}.qcow2"


def fetch_command(name: str) -> str:
    """Returns the shell command that fetches the image of a distribution. Pure but for the cache's place."""
    path = shlex.quote(str(image_path(name)))
    return f"mkdir -p {shlex.quote(str(cache_dir()))} && curl -fLo {path} {DISTROS[name].url}"


def verified_image(name: str) -> Path:
    """Returns the image of a distribution, which must be there and be the one that was pinned."""
    path = image_path(name)
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != DISTROS[name].sha256:
        raise MachineError(f"`{path}` is not the image of {name}; run with: rm {path} && {fetch_command(name)}")
    return path
