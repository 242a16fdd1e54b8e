"""What a test script in the NixOS form sees: the machines by name, and the words around them."""

from __future__ import annotations

import json
import os
import re
import time
import unittest
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import kinds
from api.consoles import Consoles
from api.machine import Machine
from api.systemd_api import SystemdMachine
from base import log
from base.errors import MachineError, RequestedAssertionFailed
from driver.debugging import Debug
from driver.polling import PollingCondition
from judges.verdict import Watch, pronounce
from lines.network import Interface, Network
from program.closure import install_closure


class ScriptLog:
    """The `log` of a test script."""

    def log(self, message: str, attributes: Mapping[str, str] | None = None) -> None:  # noqa: ARG002
        """Writes a line."""
        log.log(message)

    info = warning = error = log

    def nested(self, message: str, attributes: Mapping[str, str] | None = None) -> AbstractContextManager[None]:  # noqa: ARG002
        """Logs the beginning and the duration of a block."""
        return log.nested(message)

    def subtest(self, name: str, attributes: Mapping[str, str] | None = None) -> AbstractContextManager[None]:  # noqa: ARG002
        """Groups a part of a test under a name."""
        return log.subtest(name)


class Session:
    """The machines of one run of a test script. Releases all of them when its `with` block ends."""

    def __init__(
        self,
        machines: Mapping[str, Mapping[str, Any]],
        out_dir: Path,
        hosts: Sequence[tuple[str, Sequence[str]]] | None = None,
        *,
        judged: bool = True,
    ) -> None:
        """Makes the machines that a configuration names; see `driver/command.py` for the keys.

        Unless they are not `judged`, the distribution's judges are asked before and after a script.
        """
        self.machines: list[SystemdMachine] = []
        self.subtests: list[tuple[str, float, str | None]] = []
        self._watches: list[tuple[SystemdMachine, Watch]] = []
        self._out_dir = out_dir
        self._machine_options = machines
        self._hosts = hosts
        self._judged = judged
        self._network: Network | None = None
        self._consoles = Consoles(self.machines)
        self._symbols: dict[str, Any] = {}
        self._script: Callable[[], None] = lambda: None

    def __enter__(self) -> Session:
        try:
            wiring = {
                _host_name(name): [_interface(**described) for described in options["interfaces"]]
                for name, options in self._machine_options.items()
                if "interfaces" in options
            }
            if len(self._machine_options) > 1 or wiring:
                self._network = Network(map(_host_name, self._machine_options), wiring, self._hosts)
            for name, options in self._machine_options.items():
                self._add(name, dict(options))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Releases all machines, also when one of them refuses."""
        self._consoles.off()
        while self.machines:
            machine = self.machines.pop()
            try:
                machine.release()
            except OSError as error:
                machine.log(f"releasing: {error}")
        if self._network is not None:
            self._network.close()
            self._network = None

    def _add(self, name: str, options: dict[str, Any]) -> SystemdMachine:
        closures, setup = options.pop("closures", []), options.pop("setup", "")
        search_path, kind = options.pop("search_path", []), options.pop("kind", "container")
        strict = options.pop("strict", True)
        options.pop("interfaces", None)
        host = _host_name(name)
        if self._network is not None and host in self._network.ports:
            options["network"] = self._network
        machine = kinds.make_machine(kind, host, out_dir=self._out_dir, **options)
        self.machines.append(machine)
        if self._judged:
            self._watches.append((machine, Watch(machine)))
        machine.search_path = tuple(search_path)
        machine.strict = strict
        if closures or setup:
            machine.when_up.append(lambda: _set_up(machine, closures, setup))
            machine.start_waits = True
        return machine

    # The words of a script.

    def start_all(self) -> None:
        """Boots all machines, and waits until those are set up that are to be; they may need each other for it."""
        for machine in self.machines:
            machine.boot()
        unready = [machine for machine in self.machines if machine.start_waits and machine.when_up]
        pool = ThreadPoolExecutor(max(1, len(unready)))
        try:
            for ready in [pool.submit(machine.connect) for machine in unready]:
                ready.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def join_all(self) -> None:
        """Waits until all machines have powered off."""
        for machine in self.machines:
            machine.wait_for_shutdown()

    def create_machine(self, start_command: str | Mapping[str, Any] = "", *, name: str = "", **_: object) -> Machine:
        """Adds a machine while the script runs, described by options as in the configuration, not by a command."""
        options = {} if isinstance(start_command, str) else dict(start_command)
        return self._add(name or f"machine{len(self.machines) + 1}", options)

    def subtest(self, name: str) -> AbstractContextManager[None]:
        """Groups a part of the script under a name, which the JUnit report shows."""
        return _Recorded(name, self.subtests)

    def polling_condition(
        self,
        condition: Callable[[], object] | None = None,
        *,
        seconds_interval: float = 2.0,
        description: str | None = None,
    ) -> Any:
        """Makes a condition, as a decorator with or without arguments, that holds during each `with` block of it."""

        def make(function: Callable[[], object]) -> PollingCondition:
            callbacks = [machine.callbacks for machine in self.machines]
            return PollingCondition(function, callbacks, seconds_interval, description)

        return make if condition is None else make(condition)

    def symbols(self) -> dict[str, Any]:
        """Returns the names that a script can use."""
        names: dict[str, Any] = {
            "start_all": self.start_all,
            "join_all": self.join_all,
            "test_script": lambda: self._script(),
            "run_tests": lambda: self._script(),
            "machines": self.machines,
            "machines_qemu": [machine for machine in self.machines if machine.kind == "qemu"],
            "machines_nspawn": [machine for machine in self.machines if machine.kind == "container"],
            "vlans": [],
            "driver": self,
            "log": ScriptLog(),
            # Modules that the drivers of some years had at hand.
            "json": json,
            "os": os,
            "re": re,
            "time": time,
            "subtest": self.subtest,
            "retry": retry,
            "create_machine": self.create_machine,
            "serial_stdout_on": self._consoles.on,
            "serial_stdout_off": self._consoles.off,
            "debug": Debug(),
            "polling_condition": self.polling_condition,
            "t": unittest.TestCase(),
            "BaseMachine": Machine,
            "Machine": Machine,
        }
        names |= {machine.name.replace("-", "_"): machine for machine in self.machines}
        if len(self.machines) == 1:
            names["machine"] = self.machines[0]
        return names

    def run(self, source: str, filename: str = "<test script>") -> None:
        """Runs a test script. Returns only if it came to its end and no machine was lost on the way."""
        code = compile(source, filename, "exec")
        self._symbols = self.symbols()
        self._script = lambda: exec(code, self._symbols)  # noqa: S102
        try:
            self._script()
        except SystemExit as error:
            raise RequestedAssertionFailed(f"the test script left with `exit({error.code})`") from error
        for machine in self.machines:
            machine.require_set_up()
        lost = [machine.name for machine in self.machines if machine.is_lost()]
        if lost:
            raise MachineError(f"the test script ended well, but these machines did not: {', '.join(lost)}")
        for machine, watch in self._watches:
            try:
                news = watch.complaints()
            except MachineError as error:
                raise MachineError(f"asking the judges, after the script had come to its end: {error}") from error
            _pronounce(machine, news)


def _pronounce(machine: Machine, news: list[str]) -> None:
    """Raises when a database of accounts is broken; whatever else the judges say may be what the script is about.

    That a home or a shell does not exist is how an account was declared.
    """
    broken = [line for line in news if line.startswith(("pwck: ", "grpck: ")) and not line.endswith("does not exist")]
    for line in news:
        if line not in broken:
            machine.log(f"warning: {line}")
    pronounce(machine, broken)


def _set_up(machine: SystemdMachine, closures: Iterable[str], setup: str) -> None:
    """Makes of a stock machine what a test asks for. Not before the script starts it: others may be needed."""
    for closure in closures:
        install_closure(machine, closure)
    if not setup:
        return
    strict, machine.strict = machine.strict, True
    with machine.nested("setting up"):
        status, _ = machine.execute(setup)
    machine.strict = strict
    if status != 0:
        raise MachineError(f"{machine.name}: setting it up failed (exit code {status}); its messages are above")


def _interface(vlan: int, addresses: Iterable[str], routes: Iterable[str] = ()) -> Interface:
    return Interface(vlan, tuple(addresses), tuple(routes))


def _host_name(name: str) -> str:
    """NixOS allows `_` in the names of machines, but no host may be called so."""
    return name.replace("_", "-")


class _Recorded:
    """A subtest that remembers how it went."""

    def __init__(self, name: str, results: list[tuple[str, float, str | None]]) -> None:
        self._name, self._results, self._begin = name, results, 0.0
        self._block = log.subtest(name)

    def __enter__(self) -> None:
        self._begin = time.monotonic()
        self._block.__enter__()

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> bool | None:
        duration = time.monotonic() - self._begin
        self._results.append((self._name, duration, None if error is None else f"{kind.__name__}: {error}"))
        return self._block.__exit__(kind, error, traceback)


def retry(condition: Callable[[bool], bool], timeout_seconds: float = 900) -> None:
    """Calls `condition` each second until it is true; the last call, at the limit, is told so by its argument."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        if condition(False):
            return
        time.sleep(1)
    if not condition(True):
        raise RequestedAssertionFailed(f"action timed out after {timeout_seconds:g} seconds")
