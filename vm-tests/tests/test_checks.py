"""The flake's machine checks, as far as no nixpkgs is needed: they run in Nix's own sandbox, with this host's tools."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from kinds import missing
from kinds.qemu import base_image
from program.host import PROGRAM, VM_TESTS

_IMAGE = "debian-12"
_SUBTESTS = ("the same again does nothing", "there", "and back", "the other machine was switched by itself")

# What the flake takes from nixpkgs: the sandbox is given the host's programs instead of packages.
_CHECKS = """
{ path, program, registration, busybox }:
rec {
  runCommand = name: env: script: derivation (removeAttrs env [ "nativeBuildInputs" ] // {
    inherit name;
    system = builtins.currentSystem;
    PATH = path;
    builder = "/usr/bin/bash";
    # Bash becomes its last command, and cp closes its output before it ends: for Nix, that is a builder to kill.
    args = [ "-euc" (script + "exit 0") ];
  });
  # A program that needs more of the store than its own path, as one that nixpkgs builds.
  wrapped = runCommand "system-manager" { } ''
    mkdir -p "$out/bin"
    printf '#!/bin/sh\nexec %%s/bin/system-manager "$@"\n' ${builtins.storePath program} >"$out/bin/system-manager"
    chmod 755 "$out/bin/system-manager"
  '';
  known = builtins.path { name = "closure-info"; path = registration; };
  checks = import %s/checks.nix {
    inherit runCommand busybox;
    closureInfo = { rootPaths }: known;
    tools = [ ];
    program = builtins.storePath program;
  };
  # Builds the example that needs nothing.
  configuration = runCommand "configuration" { } ''
    export HOME=$PWD
    program=${builtins.storePath program}/bin/system-manager
    bash ${%s/in-sandbox} ${known}/registration ${busybox} \\
      "$program" build --nixpkgs embedded --file ${%s/../examples/hello.nix} >"$out"
  '';
}
"""


def _nix(*argv: str, limit: float = 300) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=limit, check=False)
    assert done.returncode == 0, done.stderr[-8000:]
    return done.stdout.strip()


class _Sandbox:
    """Builds checks as the flake does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "checks.nix").write_text(_CHECKS % (VM_TESTS, VM_TESTS, VM_TESTS))
        (folder / "system-manager/bin").mkdir(parents=True)
        shutil.copy(PROGRAM, folder / "system-manager/bin/system-manager")
        self.program = _nix("nix-store", "--add", str(folder / "system-manager"))
        self.program = str(self.build(self.program, "wrapped"))

    def build(self, root: str, attribute: str, image: Path | None = None) -> Path:
        """Builds an attribute of `_CHECKS`; `root` is what is brought into machines, `image` what they boot."""
        known = self._folder / "closure-info"
        known.mkdir(exist_ok=True)
        paths = _nix("nix-store", "--query", "--requisites", root).split()
        (known / "registration").write_text(_nix("nix-store", "--dump-db", *paths) + "\n")
        # A virtual environment's Python is a link to the one that made it. Nothing is in /bin but a shell, as usual.
        places = [sys.prefix, sys.base_prefix, "/usr", "/lib", "/lib64", "/bin/sh=/usr/bin/dash"]
        places += [str(image.parent)] if image else []
        arguments = {
            "path": f"{sys.prefix}/bin:/usr/bin:/usr/sbin",
            "program": self.program,
            "registration": str(known),
            "busybox": shutil.which("busybox") or "/usr/bin/busybox",
        }
        given = " ".join(f'{name} = "{value}";' for name, value in arguments.items())
        expression = f"(import {self._folder}/checks.nix {{ {given} }}).{attribute}"
        settings = {"sandbox": "true", "sandbox-paths": " ".join(places), "substitute": "false"}
        settings |= {"build-users-group": "", "system-features": "nixos-test"}
        options = [word for name, value in settings.items() for word in ("--option", name, value)]
        return Path(_nix("nix-build", "--no-out-link", *options, "-E", expression, limit=3000))

    def run_on_machines(self, root: str, function: str, arguments: str) -> list[str]:
        """Calls a function of `checks.nix` and returns the names of the tests that ran; all must have passed."""
        image = base_image(_IMAGE)
        call = f'{function} {{ distro = "{_IMAGE}"; image = "{image}"; {arguments} }}'
        suite = ET.parse(self.build(root, f"checks.{call}", image) / "junit.xml").getroot()[0]
        assert (suite.get("failures"), suite.get("errors", "0")) == ("0", "0")
        return [case.get("name") or "" for case in suite if case.find("skipped") is None]


@pytest.fixture
def sandbox(tmp_path: Path) -> _Sandbox:
    return _Sandbox(tmp_path)


@pytest.fixture
def needs_image(machine_kind: str) -> None:
    if lacking := missing(machine_kind, _IMAGE):
        pytest.skip(lacking)


def test_configurations_are_built_in_the_sandbox(sandbox: _Sandbox) -> None:
    built = sandbox.build(sandbox.program, "configuration").read_text().strip()
    assert built.startswith("/nix/store/") and built.endswith("-hello")


@pytest.mark.slow
@pytest.mark.kinds("qemu")
@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("needs_image")
def test_a_test_in_the_form_of_nixos_runs_as_a_derivation(sandbox: _Sandbox) -> None:
    argv = [sys.executable, str(VM_TESTS), "nixos_test", str(VM_TESTS / "cases/switch.nix")]
    built = _nix(*argv, "--nixpkgs", "embedded", "--build-only")
    arguments = f'name = "switch"; built = builtins.storePath "{built}";'
    ran = sandbox.run_on_machines(built, "nixosTest", arguments)
    assert ran == ["switch", *_SUBTESTS]


@pytest.mark.slow
@pytest.mark.kinds("qemu")
@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("needs_image")
def test_the_tests_of_machines_run_as_a_derivation(sandbox: _Sandbox) -> None:
    # One that uses the program, and one that evaluates with the project's modules.
    arguments = 'only = "qemu and (test_accounts_of_cloud_init or mutable-users)";'
    ran = sandbox.run_on_machines(sandbox.program, "tests", arguments)
    cases = [name for name in ran if name.startswith("test_case_passes_on_all_machines")]
    assert len(cases) == 1
    assert set(ran) - set(cases) == {"test_accounts_of_cloud_init_stay_as_they_are[qemu]"}


def test_run_whose_machines_can_not_be_had_is_no_success_where_they_must(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--kind", "qemu", "--image", "fedora-43"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    for more, code in ([], 0), (["--must-run"], 4):
        done = subprocess.run(
            [*argv, *more, "test_end_to_end.py"],
            cwd=Path(__file__).parent,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stdout
        assert "run with: " in done.stdout + done.stderr
