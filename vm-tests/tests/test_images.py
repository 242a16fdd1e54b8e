"""Images: the table of distributions, and the cache of what was built."""

from __future__ import annotations

import multiprocessing
import re
from pathlib import Path

import pytest

from base.errors import MachineError
from images.cache import cached, is_cached
from images.distros import DISTROS, image_path, verified_image
from kinds import unknown
from kinds.qemu import base_image, lacks_image


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.parametrize("name", DISTROS)
def test_row_is_complete(name: str) -> None:
    distro = DISTROS[name]
    assert distro.url.startswith("https://")
    assert re.fullmatch(r"[0-9a-f]{64}", distro.sha256)
    assert distro.package_manager in ("apt", "dnf")


def test_absent_image_is_named_with_the_command_that_fetches_it() -> None:
    reason = lacks_image("ubuntu-24.04")
    assert reason is not None
    assert f"curl -fLo {image_path('ubuntu-24.04')} {DISTROS['ubuntu-24.04'].url}" in reason
    assert lacks_image("ubuntu-24.04=/some/file") is None
    assert lacks_image("debian-13") is None
    with pytest.raises(ValueError, match="no distribution `ubuntu`"):
        base_image("ubuntu")


@pytest.mark.parametrize(
    ("kind", "image", "told"),
    [
        ("container", None, None),
        ("container", "debian-12-merged-sbin", None),
        ("container", "ubuntu-24.04", "there is no image `ubuntu-24.04` for container; there are: host, debian-12, "),
        ("container", "debian-12=FILE", "an image of container is made, not taken from a file; leave out `=FILE`"),
        ("uml", "host", "there is no image `host` for uml; there are: debian-12, "),
        ("qemu", "fedora-42", None),
        ("qemu", "fedora-42=FILE", None),
        ("qemu", "debian-12-services", "there is no image `debian-12-services` for qemu; there are: debian-12, "),
        ("qemu", "fedora-42=/nowhere/at/all", "the image of fedora-42 is not there: /nowhere/at/all"),
    ],
)
def test_image_that_can_not_be_is_named(tmp_path: Path, kind: str, image: str | None, told: str | None) -> None:
    (tmp_path / "image").touch()
    said = unknown(kind, image.replace("FILE", str(tmp_path / "image")) if image else None)
    if told is None:
        assert said is None
    else:
        assert said is not None and said.startswith(told.replace("FILE", str(tmp_path / "image")))


def test_image_that_is_not_the_pinned_one_is_refused() -> None:
    path = image_path("fedora-42")
    path.parent.mkdir(parents=True)
    path.write_text("something else")
    with pytest.raises(MachineError, match="is not the image of fedora-42"):
        verified_image("fedora-42")


def _make(directory: Path) -> None:
    with (directory.parent / "made").open("a") as log:
        log.write("once\n")
    (directory / "result").write_text("whole")


def _want(_: int) -> str:
    return (cached("thing", "recipe", _make) / "result").read_text()


def test_cache_makes_a_thing_once_for_all_who_want_it(tmp_path: Path) -> None:
    assert not is_cached("thing", "recipe")
    # Not by fork: this process has threads, and a copy of it would wait for their locks.
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert pool.map(_want, range(8)) == ["whole"] * 8
    assert (tmp_path / "system-manager/images/made").read_text() == "once\n"
    assert is_cached("thing", "recipe")
    assert not is_cached("thing", "another recipe")


def test_cache_keeps_nothing_that_failed() -> None:
    def fail(directory: Path) -> None:
        (directory / "half").write_text("")
        raise MachineError("no")

    with pytest.raises(MachineError):
        cached("thing", "recipe", fail)
    assert not is_cached("thing", "recipe")
    assert cached("thing", "recipe", _make).name.startswith("thing-")
