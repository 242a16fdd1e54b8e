"""A stock distribution whose configurations use the modules of a nixpkgs from outside of the project."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from base.errors import MachineError
from images.rootimage import ROOT_IMAGES, lacks_root
from judges.snapshot import ACCOUNT_BACKUPS, SUBID_BACKUPS, assert_same, take_snapshot
from judges.verdict import judge, verdict
from program.closure import install_closure
from program.host import PROGRAM, Host
from runs import Run

NIXPKGS = os.environ.get("NIXPKGS", "")


class NixosHost(Host):
    """A machine whose configurations import modules of the nixpkgs at hand."""

    def __init__(self, machine: SystemdMachine, folder: Path, modules: Sequence[str], distribution: str) -> None:
        """Takes the modules' paths below `nixos/modules`, and the distribution that the machine has."""
        super().__init__(machine, folder)
        paths = " ".join(f'"${{modulesPath}}/{path}"' for path in modules)
        imports = f"imports = [ {paths} ];" if modules else ""
        self._header = (
            f"{{ config, lib, modulesPath, pkgs, ... }}: {{ {imports}\n"
            f'nixos-compat = {{ hostPackages.enable = true; distribution = "{distribution}"; }};\n'
        )
        self.distribution = distribution
        self.before = take_snapshot(machine)
        self._baseline = judge(machine)

    def bring(self, configuration: str | Path) -> str:
        """Builds a configuration with the nixpkgs, copies its closure into the machine and returns its toplevel."""
        file = self.folder / "host.nix"
        file.write_text(f"{self._header}{configuration}\n}}\n")
        argv = [str(PROGRAM), "-q", "build", "--nixpkgs", NIXPKGS, "--file", str(file)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            raise MachineError(f"building {file}: {done.stderr}")
        return install_closure(self.machine, done.stdout.strip())

    def verdict(self, *units: str, complaints: Sequence[str] = ()) -> None:
        """Raises with what the distribution's judges have to say now and had not before, apart from `complaints`."""
        verdict(self.machine, self._baseline, units, complaints)

    def remove(self, *leaves: str) -> None:
        """Takes everything away; what was before must be there again, apart from what a service itself leaves."""
        self.run("deactivate")
        assert_same(self.before, take_snapshot(self.machine), ignore=(*ACCOUNT_BACKUPS, *SUBID_BACKUPS, *leaves))
        self.verdict()


def make_nixos_host(
    request: pytest.FixtureRequest, make_machine: Callable[..., SystemdMachine], machine_kind: str, tmp_path: Path
) -> NixosHost:
    """Starts a machine with what the test's marks ask for, and notes which modules run on it."""
    if not NIXPKGS:
        pytest.skip(f"no nixpkgs at hand; run with: NIXPKGS=/path/of/nixpkgs vm-tests/run {request.path.name}")
    distribution = request.config.getoption("--image") or "debian-12"
    marker = request.node.get_closest_marker("nixos_module")
    modules = marker.args if marker else ()
    needs = request.node.get_closest_marker("needs_image")
    image = f"{distribution}-{needs.args[0] if needs else 'servers'}"
    if image not in ROOT_IMAGES:
        pytest.skip(f"there is no image {image}; run with: vm-tests/run --image debian-12 {request.path.name}")
    if lacking := lacks_root(image):
        pytest.skip(lacking)
    release = Path(NIXPKGS, ".version").read_text().strip()
    test = f"{request.path.name}::{request.function.__name__}"
    for module in modules:
        run = Run(module, distribution, release, machine_kind, test)
        request.node.user_properties.append(("run", asdict(run)))
    return NixosHost(make_machine(image=image), tmp_path, modules, distribution)
