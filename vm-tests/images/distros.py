"""The stock distributions as data: a row each, and nothing else differs between them.

The images are the distributions' own cloud images, booted unmodified; a seed (cloud-init's NoCloud) brings the agent.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from base.errors import MachineError
from images.cache import cache_dir

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Distro:
    """A stock cloud image for x86-64."""

    url: str
    sha256: str
    package_manager: str


def _read(row: dict[str, str]) -> Distro:
    return Distro(row["url"], row["sha256"], row["package_manager"])


DISTROS = {name: _read(row) for name, row in json.loads(Path(__file__).with_suffix(".json").read_text()).items()}
"""All distributions by name. The rows are in `distros.json`, which the flake's checks read, too."""


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
