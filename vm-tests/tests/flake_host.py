"""A machine with a Nix, the project's flake, and a stand-in for nixpkgs whose few packages can be built."""

from __future__ import annotations

import shutil
from pathlib import Path

from api.systemd_api import SystemdMachine
from program.host import PROGRAM, PROJECT, Host

PARTS = (
    "Cargo.lock",
    "Cargo.toml",
    "default.nix",
    "examples",
    "flake.nix",
    "modules",
    "nixos-compat",
    "src",
    "vm-tests",
)
SOURCE = "/usr/share/system-manager"
REGISTRY = "/srv/registry.json"
SETTINGS = (
    "experimental-features = nix-command flakes\nbuild-users-group =\nsubstitute = false\n"
    f"flake-registry = {REGISTRY}\n"
)


class FlakeHost(Host):
    """A machine that locks, evaluates and builds flakes, with nothing from the network."""

    def __init__(self, machine: SystemdMachine, folder: Path) -> None:
        """Brings the flakes: the project's to where its package has it."""
        super().__init__(machine, folder)
        for name in PARTS:
            machine.copy_from_host(PROJECT / name, f"{SOURCE}/{name}")
        stand_in = folder / "nixpkgs"
        (stand_in / "bin").mkdir(parents=True)
        shutil.copytree(PROJECT / "modules/lib", stand_in / "lib")
        shutil.copy(PROJECT / "tests/fixtures/flake/nixpkgs.nix", stand_in / "flake.nix")
        shutil.copy("/usr/bin/busybox", stand_in / "bin/busybox")
        shutil.copy(PROGRAM, stand_in / "bin/system-manager")
        machine.copy_from_host(stand_in, "/srv/nixpkgs")
        machine.succeed(
            f"sed -i 's|github:NixOS/nixpkgs/nixos-unstable|path:/srv/nixpkgs|' {SOURCE}/flake.nix",
            f"grep path:/srv/nixpkgs {SOURCE}/flake.nix",
            f"""echo '{{ "flakes": [], "version": 2 }}' >{REGISTRY}""",
            "mkdir -p /etc/nix /root/.config/nix",
            f"printf '{SETTINGS}' >/root/.config/nix/nix.conf",
        )

    def nix(self, command: str, folder: str = "/root") -> str:
        """Runs Nix and returns what it printed, both streams."""
        output: str = self.machine.succeed(f"cd {folder} && {command} 2>&1", timeout=300)
        return output
