"""The pytest plugin: fixtures that give machines, and the choice of their kinds on the command line."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

import kinds
import runs
from api.systemd_api import SystemdMachine
from base.errors import MachineError, MachineUnavailable
from images.rootimage import lacks_root
from judges.verdict import Judgement, Watch, pronounce
from kinds.container import Container
from lines.network import Interface, Network
from program.deployer import Deployer
from program.host import Host

MakeMachine = Callable[..., SystemdMachine]
MakeTargets = Callable[..., tuple[Deployer, list[Container]]]

_REPORT = pytest.StashKey[pytest.TestReport]()
_JOURNAL_LIMIT = 20.0
_PRACTICE = "debian-12-hosts"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options of these tests."""
    parser.addoption(
        "--kind",
        action="append",
        choices=kinds.KINDS,
        help="the kind of machine to test on; may be repeated (default: container)",
    )
    parser.addoption("--image", help="the image to boot, such as debian-13 (default: the kind's own)")
    parser.addoption(
        "--must-run", action="store_true", help="a kind of machine that can't be had here is an error, and not skipped"
    )
    parser.addoption("--slow", action="store_true", help="run the tests that are marked slow, too")
    parser.addoption(
        "--record-runs", action="store_true", help="write the NixOS modules that ran into nixos-compat/report/runs.json"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Makes a request to end (SIGTERM) an exception, so that machines are released; sees to the record of runs."""
    image = config.getoption("--image")
    for kind in config.getoption("--kind") or ["container"]:
        if wrong := kinds.unknown(kind, image):
            raise pytest.UsageError(wrong)
        if config.getoption("--must-run") and (lacking := kinds.missing(kind, image)):
            raise pytest.UsageError(lacking)
    if config.getoption("--record-runs") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder())
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", returncode=143))
        # Who is started in the background ignores it, and so would all programs in the machines.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skips what is slow unless it is asked for."""
    if config.getoption("--slow"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="it is slow; run with: vm-tests/run --slow"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs each test once per kind that is both accepted by it and chosen."""
    if "machine_kind" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("kinds")
    accepted: tuple[str, ...] = marker.args if marker else ("container",)
    chosen = metafunc.config.getoption("--kind") or ["container"]
    usable: list[object] = []
    for kind in (kind for kind in accepted if kind in chosen):
        lacking = kinds.missing(kind, metafunc.config.getoption("--image"))
        marks = [pytest.mark.skip(reason=lacking)] if lacking else []
        usable.append(pytest.param(kind, marks=marks))
    if not usable:
        reason = f"needs another kind of machine; run with: vm-tests/run --kind {accepted[0]}"
        usable = [pytest.param(accepted[0], marks=pytest.mark.skip(reason=reason))]
    metafunc.parametrize("machine_kind", usable)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keeps the outcome of the test itself for the fixtures' end."""
    report = yield
    if report.when == "call":
        item.stash[_REPORT] = report
    return report


class Recorder:
    """Writes the NixOS modules that ran to the record, in the process that hears of all tests."""

    def __init__(self, path: Path = runs.RECORD) -> None:
        """Has heard of none."""
        self._path = path
        self._ran: dict[str, list[tuple[runs.Run, bool]]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Takes what a test says it ran. It ran well if the test's end went well, too."""
        if report.when == "call" and not report.skipped:
            properties = report.user_properties
            named = [runs.Run(**value) for name, value in properties if name == "run" and isinstance(value, dict)]
            self._ran[report.nodeid] = [(run, report.passed) for run in named]
        elif report.when == "teardown":
            ran = self._ran.get(report.nodeid, [])
            self._ran[report.nodeid] = [(run, well and report.passed) for run, well in ran]

    def pytest_sessionfinish(self) -> None:
        """Writes the record."""
        runs.record([run for ran in self._ran.values() for run in ran], self._path)


@pytest.fixture
def make_machine(request: pytest.FixtureRequest, machine_kind: str, tmp_path: Path) -> Iterator[MakeMachine]:
    """Gives a function that makes machines; they are released when the test ends, however it ends."""
    made: list[SystemdMachine] = []
    watches: list[tuple[SystemdMachine, Watch]] = []

    def make(name: str = "machine", **options: Any) -> SystemdMachine:
        options = {"image": request.config.getoption("--image"), **options}
        try:
            machine = kinds.make_machine(machine_kind, name, out_dir=tmp_path, **options)
        except MachineUnavailable as lacking:
            pytest.skip(str(lacking))
        made.append(machine)
        watches.append((machine, _watch(machine, machine_kind, options)))
        return machine

    try:
        yield make
        report = request.node.stash.get(_REPORT, None)
        if report is not None and report.failed:
            for machine in made:
                _show_journal(machine)
            return
        for machine in made:
            machine.require_set_up()
        if lost := [machine.name for machine in made if machine.is_lost()]:
            raise MachineError(f"the test ended well, but these machines did not live to see it: {', '.join(lost)}")
        if report is not None and report.passed:
            accepted = _left_on_purpose(request.node)
            for machine, watch in watches:
                pronounce(machine, watch.complaints(), accepted)
    finally:
        for machine in made:
            machine.release()


def _left_on_purpose(test: pytest.Item) -> list[str]:
    markers = list(test.iter_markers("leaves"))
    if any(not marker.kwargs.get("why") for marker in markers):
        raise ValueError(f"{test.nodeid}: `leaves` needs a `why`")
    return [text for marker in markers for text in marker.args]


_fresh: dict[object, Judgement] = {}
"""What the judges say of machines that nothing was done to, by what these were made from."""


def _watch(machine: SystemdMachine, kind: str, options: Mapping[str, Any]) -> Watch:
    key = (kind, *(f"{name}={value}" for name, value in sorted(options.items()) if name not in ("network", "out_dir")))
    return Watch(machine, _fresh, key)


@pytest.fixture
def make_network() -> Iterator[Callable[..., Network]]:
    """Gives a function that makes a network for machines of these names; it ends after the machines."""
    made: list[Network] = []

    def make(*names: str, wiring: Mapping[str, Sequence[Interface]] | None = None) -> Network:
        made.append(Network(names, wiring))
        return made[-1]

    yield make
    for network in made:
        network.close()


@pytest.fixture
def machine(make_machine: MakeMachine) -> SystemdMachine:
    """Gives a machine, made afresh for this test; it boots on first use."""
    return make_machine()


@pytest.fixture
def practice_host(make_machine: MakeMachine, tmp_path: Path) -> Host:
    """Gives a Debian with what hosts of practice have: cron, sudo, sshd, logrotate, NetworkManager, rpm."""
    if lacking := lacks_root(_PRACTICE):
        pytest.skip(lacking)
    return Host(make_machine(image=_PRACTICE), tmp_path)


def _show_journal(machine: SystemdMachine) -> None:
    """Logs what the machine had to say, where a test has failed and it can still be asked."""
    if not machine.is_up():
        return
    try:
        command = "systemctl --failed --no-legend; journalctl --no-pager -q -p notice -n 60"
        machine.log(machine.execute(command, timeout=_JOURNAL_LIMIT)[1])
    except MachineError as error:
        machine.log(f"no journal: {error}")


@pytest.fixture
def make_targets(
    request: pytest.FixtureRequest,
    make_machine: MakeMachine,
    make_network: Callable[..., Network],
    tmp_path: Path,
) -> MakeTargets:
    """Gives a function that makes a deployer and machines without Nix that it may log in to as root."""

    def make(*names: str, image: str | None = None) -> tuple[Deployer, list[Container]]:
        image = image or request.config.getoption("--image") or "debian-12"
        if lacking := lacks_root(image):
            pytest.skip(lacking)
        network = make_network("deployer", *names)
        deployer = Deployer(cast(Container, make_machine("deployer", network=network, image="host")), tmp_path)
        targets = [cast(Container, make_machine(name, network=network, image=image)) for name in names]
        for target in targets:
            deployer.admit(target)
        return deployer, targets

    return make
