"""The record of NixOS modules that ran. No machine is needed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Literal

import pytest

from conftest import Recorder
from runs import Run, merge, read_runs, record, render


def run(module: str, distribution: str = "debian-12") -> Run:
    return Run(module, distribution, "19.09", "container", "test_nixos_modules.py::test_one")


def test_a_record_keeps_what_did_not_run_and_drops_what_failed() -> None:
    known = {run("a.nix"), run("b.nix"), run("b.nix", "debian-13")}
    now = merge(known, [(run("b.nix"), False), (run("c.nix"), True)])
    assert now == {run("a.nix"), run("b.nix", "debian-13"), run("c.nix")}


def test_a_record_is_sorted_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "runs.json"
    record([(run("b.nix"), True), (run("a.nix"), True)], path)
    assert path.read_text() == render([run("a.nix"), run("b.nix")])
    assert read_runs(path) == {run("a.nix"), run("b.nix")}
    assert render([]) == "[]\n"


def test_a_test_counts_as_passed_when_its_end_went_well_too(tmp_path: Path) -> None:
    path = tmp_path / "runs.json"
    recorder = Recorder(path)

    def report(name: str, when: Literal["call", "teardown"], outcome: Literal["passed", "failed", "skipped"]) -> None:
        properties: list[tuple[str, object]] = [("run", asdict(run(name)))]
        test = ("test.py", 1, name)
        recorder.pytest_runtest_logreport(
            pytest.TestReport(name, test, {}, outcome, None, when, user_properties=properties)
        )

    report("well.nix", "call", "passed")
    report("failed.nix", "call", "failed")
    report("lost.nix", "call", "passed")
    report("skipped.nix", "call", "skipped")
    for name in ("well.nix", "failed.nix", "skipped.nix"):
        report(name, "teardown", "passed")
    report("lost.nix", "teardown", "failed")
    recorder.pytest_sessionfinish()
    assert read_runs(path) == {run("well.nix")}
