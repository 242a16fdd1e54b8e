"""Runs a test script in the form of NixOS tests, or leaves a prompt or a shell with the same machines.

    driver CONFIG.json                  run the script; exit 0 only if it came to its end
    driver --interactive [CONFIG.json]  a Python prompt with the script's names; `test_script()` runs it
    driver --shell [--kind K]           a root shell in a fresh machine

CONFIG.json: {"name": NAME, "machines": {NAME: OPTIONS}, "test_script": FILE, "global_timeout": SECONDS, "hosts":
[[ADDRESS, [NAME]]]}. OPTIONS: "kind", "image" and what the kind takes; "closures" (store paths to copy in at the first
boot), "setup" (a command to run then), "search_path", "strict" (false for commands without `set -euo pipefail`), and
"interfaces" ([{"vlan": NUMBER, "addresses": [ADDRESS], "routes": [ROUTE]}], for eth1 and so on).
"""

from __future__ import annotations

import argparse
import code
import json
import signal
import sys
import time
import traceback
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import kinds
from base.errors import MachineError, MachineUnavailable, RequestedAssertionFailed
from base.log import log
from driver.session import Session

_GLOBAL_LIMIT = 3600

CANNOT_RUN = 77
"""The exit code for a test that can't run here; the reason is on standard error."""


WRONG_USAGE = 2
"""The exit code for options that can't be, as argparse has it."""


def main() -> int:
    """Runs the command line; returns the exit code."""
    options = _parse()
    config = json.loads(options.config.read_text()) if options.config else {"machines": {"machine": {}}}
    for machine in config["machines"].values():
        machine.setdefault("kind", options.kind)
        if options.image:
            machine["image"] = options.image
    return drive(config, options)


def drive(config: dict[str, Any], options: argparse.Namespace) -> int:
    """Makes the machines of a configuration and runs its script, or what the options say instead; see `add_options`."""
    for machine in config["machines"].values():
        if wrong := kinds.unknown(machine["kind"], machine.get("image")):
            print(f"error: {wrong}", file=sys.stderr)
            return WRONG_USAGE
        if lacking := kinds.missing(machine["kind"], machine.get("image")):
            print(f"SKIPPED {lacking}", file=sys.stderr)
            return CANNOT_RUN
    options.output_directory.mkdir(parents=True, exist_ok=True)
    to_run = not options.shell and not options.interactive
    if to_run:
        _limit(config.get("global_timeout", _GLOBAL_LIMIT))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    session = Session(config["machines"], options.output_directory, config.get("hosts"), judged=to_run)
    try:
        if to_run:
            return _run(session, config, options.junit_xml)
        with session:
            return _interact(session, config, options)
    except MachineUnavailable as lacking:
        print(f"SKIPPED {lacking}", file=sys.stderr)
        return CANNOT_RUN
    except MachineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _interact(session: Session, config: dict[str, Any], options: argparse.Namespace) -> int:
    if options.shell:
        session.machines[0].shell_interact()
        return 0
    source, name = _script(config)
    names = {**session.symbols(), "test_script": lambda: session.run(source, name)}
    code.interact(banner=f"names: {' '.join(sorted(names))}", local=names, exitmsg="")
    return 0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say where the machines run and what is left of a run."""
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("-I", "--interactive", action="store_true", help="leave a Python prompt with the machines")
    mode.add_argument("--shell", action="store_true", help="leave a root shell in the first machine")
    parser.add_argument("--kind", choices=kinds.KINDS, default="container", help="for machines that name no kind")
    parser.add_argument("--image", help="the image for all machines")
    parser.add_argument("-o", "--output-directory", type=Path, default=Path.cwd(), help="where copied files go")
    parser.add_argument("--junit-xml", type=Path, help="write a JUnit report")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="driver", description="Runs a test script in the form of NixOS tests.")
    parser.add_argument("config", nargs="?", type=Path, help="the configuration, in JSON")
    add_options(parser)
    options = parser.parse_args()
    if options.config is not None and not options.config.is_file():
        parser.error(f"the configuration is not there: {options.config}")
    if options.config is None and not options.interactive and not options.shell:
        parser.error("a configuration is needed, or --interactive, or --shell")
    return options


def _script(config: dict[str, Any]) -> tuple[str, str]:
    path = config.get("test_script")
    return (Path(path).read_text(), path) if path else ("", "<no test script>")


def _run(session: Session, config: dict[str, Any], junit_xml: Path | None) -> int:
    begin, failure = time.monotonic(), None
    try:
        with session:
            begin = time.monotonic()
            session.run(*_script(config))
    except MachineUnavailable:
        raise
    except Exception as error:
        failure = _describe(error, config.get("test_script", ""))
        log(failure)
    duration = time.monotonic() - begin
    if junit_xml is not None:
        name = config.get("name", Path(config.get("test_script", "")).stem)
        junit_xml.write_bytes(_junit(name, duration, failure, session))
    log(f"test script {'failed' if failure else 'finished'} in {duration:.2f} seconds")
    return 1 if failure else 0


def _describe(error: Exception, script: str) -> str:
    """Returns the error with where it was raised; for what the test asked for, only as far as its own lines go."""
    lines = traceback.extract_tb(error.__traceback__)
    own = [line for line in lines if line.filename == script]
    if isinstance(error, RequestedAssertionFailed) and own:
        head = ["Traceback, of the test script alone:\n", *traceback.format_list(own)]
        return "".join([*head, *traceback.format_exception_only(error)])
    return "".join(traceback.format_exception(error))


def _junit(name: str, duration: float, failure: str | None, session: Session) -> bytes:
    cases = [(name, duration, failure), *session.subtests]
    suite = ET.Element("testsuite", name=name, tests=str(len(cases)))
    suite.set("failures", str(sum(case[2] is not None for case in cases)))
    for case_name, seconds, message in cases:
        case = ET.SubElement(suite, "testcase", name=case_name, time=f"{seconds:.3f}")
        if message is not None:
            ET.SubElement(case, "failure", message=message.strip().splitlines()[-1]).text = message
    root = ET.Element("testsuites")
    root.append(suite)
    report: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return report


def _limit(seconds: float) -> None:
    def stop(*_: object) -> None:
        raise MachineError(f"the test did not end within {seconds:g} seconds")

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
