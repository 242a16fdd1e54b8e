"""The flakes of `docs/flakes.md` evaluate, with the projects that they name: no machine is needed.

`NIXPKGS=/path/of/nixpkgs NIXOS_MODULES=/folder/of/checkouts vm-tests/run test_flake_guides.py`, where the folder has
checkouts of `home-manager` and `sops-nix`, both of the nixpkgs's time, of `agenix` and of `flake-parts`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from flake_host import PARTS, SETTINGS
from program.host import PROJECT

NIXPKGS = os.environ.get("NIXPKGS", "")
CHECKOUTS = os.environ.get("NIXOS_MODULES", "")
GUIDE = PROJECT / "docs/flakes.md"
FLAKES = dict(re.findall(r"<!-- flake: (.*?) -->\n```nix\n(.*?)```", GUIDE.read_text(), re.DOTALL))

pytestmark = pytest.mark.skipif(
    not (NIXPKGS and CHECKOUTS),
    reason="no nixpkgs or no checkouts at hand; run with: NIXPKGS=/path/of/nixpkgs NIXOS_MODULES=/folder/of/checkouts"
    " vm-tests/run test_flake_guides.py",
)


@pytest.mark.parametrize("project", FLAKES)
def test_the_flake_of_a_guide_evaluates(project: str, tmp_path: Path) -> None:
    checkout = Path(CHECKOUTS, project)
    if not checkout.is_dir():
        pytest.skip(f"there is no checkout of {project} in {CHECKOUTS}")
    own = tmp_path / "system-manager"
    own.mkdir()
    for part in PARTS:
        source = PROJECT / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, own / part)
    # Nothing is built: a nixpkgs with an older Rust does as well.
    manifest = own / "Cargo.toml"
    manifest.write_text(re.sub(r'rust-version = ".*"', 'rust-version = "1.70"', manifest.read_text()))
    flake = tmp_path / "host"
    flake.mkdir()
    (flake / "flake.nix").write_text(FLAKES[project])
    for secret in ("secrets.yaml", "database.age"):
        (flake / secret).write_text("database: encrypted\n")
    # An input of agenix that is a list, as a flake.
    systems = tmp_path / "systems"
    systems.mkdir()
    (systems / "default.nix").write_text('[ "x86_64-linux" ]\n')
    (systems / "flake.nix").write_text("{ outputs = _: { }; }\n")
    inputs = {
        "system-manager": own,
        "system-manager/nixpkgs": NIXPKGS,
        project: checkout,
        **({"agenix/systems": systems} if project == "agenix" else {}),
    }
    argv = ["nix", "eval", "--raw", "--offline", "--no-write-lock-file"]
    for name, path in inputs.items():
        argv += ["--override-input", name, f"path:{path}"]
    argv.append(f"path:{flake}#systemConfigs.default.drvPath")
    environment = {**os.environ, "NIX_CONFIG": SETTINGS, "HOME": str(tmp_path)}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0 and done.stdout.endswith("-system-manager-default.drv"), done.stderr[-3000:]


def test_each_project_has_its_guide() -> None:
    assert list(FLAKES) == ["home-manager", "sops-nix", "agenix", "flake-parts"]
