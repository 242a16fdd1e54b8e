"""The tests of `cases/`, each in NixOS's form: services of the distribution under units of ours, with no nixpkgs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_CASES = sorted(path.stem for path in (_HERE / "cases").glob("*.nix"))


@pytest.mark.parametrize("case", _CASES)
def test_case_passes(tmp_path: Path, case: str) -> None:
    argv = [sys.executable, str(_HERE / "nixos_test.py"), str(_HERE / "cases" / f"{case}.nix")]
    options = ["--nixpkgs", "embedded", "-o", str(tmp_path)]
    done = subprocess.run([*argv, *options], capture_output=True, text=True, timeout=300, check=False)
    if done.returncode == 77:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
