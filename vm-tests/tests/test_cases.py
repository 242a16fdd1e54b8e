"""The tests of `cases/`, each in NixOS's form and with no nixpkgs: most drive a server of the distribution."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from program.host import VM_TESTS

_FOLDER = VM_TESTS / "cases"
# What needs no server, and so runs on a stock image, too.
_BARE = ("mutable-users", "switch")
_SERVERS = sorted(path.stem for path in _FOLDER.glob("*.nix") if path.stem not in _BARE)


def _run(case: str, *options: str) -> None:
    argv = [sys.executable, str(VM_TESTS), "nixos_test", str(_FOLDER / f"{case}.nix"), *options]
    done = subprocess.run([*argv, "--nixpkgs", "embedded"], capture_output=True, text=True, timeout=800, check=False)
    if done.returncode == 77:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("case", _SERVERS)
def test_case_with_a_server_passes(tmp_path: Path, case: str) -> None:
    _run(case, "-o", str(tmp_path))


@pytest.mark.kinds("container", "uml", "qemu")
@pytest.mark.parametrize("case", _BARE)
def test_case_passes_on_all_machines(
    request: pytest.FixtureRequest, tmp_path: Path, machine_kind: str, case: str
) -> None:
    image = request.config.getoption("--image")
    _run(case, "-o", str(tmp_path), "--kind", machine_kind, *(["--image", image] if image else []))
