"""The record of NixOS modules that ran. No machine is needed."""

from __future__ import annotations

from pathlib import Path

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
