"""A machine under test: configurations are built outside of it, the real program runs inside, where there is no Nix."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

from api.systemd_api import SystemdMachine
from base.errors import MachineError
from judges.snapshot import assert_same, take_snapshot
from program.closure import install_closure, push_binary

PROJECT = Path(__file__).resolve().parents[2]
VM_TESTS = PROJECT / "vm-tests"
_FAILURES = (1, 3, 4, 5)
PROGRAM = Path(os.environ.get("SYSTEM_MANAGER", PROJECT / "target/debug/system-manager"))


def build(configuration: str | Path, folder: Path) -> str:
    """Builds a configuration (a file, or the text of one) and returns its toplevel."""
    file = configuration if isinstance(configuration, Path) else folder / "host.nix"
    if isinstance(configuration, str):
        file.write_text(configuration)
    argv = [str(PROGRAM), "-q", "build", "--nixpkgs", "embedded", "--file", str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise MachineError(f"building {file}: {done.stderr}")
    return done.stdout.strip()


class Host:
    """A machine with the program, and the toplevels that were brought to it."""

    def __init__(self, machine: SystemdMachine, folder: Path) -> None:
        """Puts the program into the machine; `folder` is for the configurations' files."""
        self.machine = machine
        self.folder = folder
        push_binary(machine, PROGRAM)

    def bring(self, configuration: str | Path) -> str:
        """Builds a configuration, copies its closure into the machine and returns its toplevel."""
        return install_closure(self.machine, build(configuration, self.folder))

    def run(self, *arguments: str, expect: int = 0) -> str:
        """Runs the program; the exit code must be the expected one. Returns what it printed, both streams."""
        command = shlex.join(["system-manager", *arguments])
        code, output = self.machine.execute(f"{command} 2>&1")
        if code != expect:
            raise MachineError(f"`{command}` exited with {code}, not {expect}:\n{output}")
        if code in _FAILURES and "\nhint: " not in output.rpartition("error: ")[2]:
            raise MachineError(f"`{command}` exited with {code}, and no error with a hint:\n{output}")
        return output

    def json(self, *arguments: str, expect: int = 0) -> Any:
        """Runs the program with --json and returns what it printed on standard output."""
        command = shlex.join(["system-manager", "-q", "--json", *arguments])
        code, output = self.machine.execute(command)
        if code != expect:
            raise MachineError(f"`{command}` exited with {code}, not {expect}:\n{output}")
        return json.loads(output)

    def switch(self, configuration: str | Path, expect: int = 0) -> str:
        """Registers and activates a configuration; returns what the activation printed."""
        toplevel = self.bring(configuration)
        self.run("register", toplevel)
        return self.run("activate", toplevel, expect=expect)

    def refuses(self, configuration: str | Path, why: str) -> None:
        """Registers a configuration whose activation must be refused, say `why`, and leave /etc as it is."""
        before = take_snapshot(self.machine)
        output = self.switch(configuration, expect=1)
        assert why in output, output
        assert_same(before, take_snapshot(self.machine))

    def pid(self, unit: str) -> int:
        """Returns the main process of a service; 0 when it has none."""
        return int(self.machine.get_unit_property(unit, "MainPID"))
