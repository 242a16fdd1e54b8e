"""Things that take long to make are made once, and kept by what they are made from."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_dir() -> Path:
    """Returns where images are kept. Reads the environment."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "system-manager" / "images"


def cached(name: str, recipe: str, make: Callable[[Path], None]) -> Path:
    """Returns the directory that `make` has filled for this `recipe`, filling it if nobody has.

    The directory appears whole, by rename; of several processes that want it, one makes it and the others wait.
    """
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:16]
    target = cache_dir() / f"{name}-{digest}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.with_name(f"{target.name}.lock")):
        if target.is_dir():
            return target
        partial = target.with_name(f"{target.name}.partial")
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir()
        make(partial)
        partial.rename(target)
    return target


def is_cached(name: str, recipe: str) -> bool:
    """Whether `cached` would have nothing to make. Reads only."""
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:16]
    return (cache_dir() / f"{name}-{digest}").is_dir()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
