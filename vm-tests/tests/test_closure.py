"""Store paths reach a machine that has no Nix."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from program.closure import install_closure

_NIX = {"NIX_CONFIG": "build-users-group =\nsubstitute = false"}


def _add(store_root: Path, path: Path, *options: str) -> str:
    argv = ["nix-store", "--store", str(store_root), *options, str(path)]
    environment = {**os.environ, **_NIX}
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


@pytest.mark.skipif(
    shutil.which("nix-store") is None, reason="nix-store is not installed; run with: apt-get install nix-bin"
)
def test_closure_arrives_without_nix(machine: SystemdMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIX_CONFIG", _NIX["NIX_CONFIG"])
    store = tmp_path / "store"
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "run").write_text("#!/bin/sh\necho from the store\n")
    (tree / "run").chmod(0o755)
    (tree / "link").symlink_to("run")
    path = _add(store, tree, "--add")
    machine.fail("test -e /nix")
    assert install_closure(machine, path, store) == path
    assert machine.succeed(f"{path}/link; stat -c '%a %U %Y' {path}/run; ls /nix/store") == (
        f"from the store\n555 root 1\n{Path(path).name}\n"
    )
    assert install_closure(machine, path, store) == path
