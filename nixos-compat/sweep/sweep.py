#!/usr/bin/env python3
"""Tries NixOS modules one by one: which declare, evaluate with defaults, and evaluate when they are enabled.

    nixos-compat/sweep/sweep.py NIXPKGS [--under services/] [--compare] [--output FILE]

Each module is evaluated in a process of its own, since some errors of Nix cannot be caught. What a module needs
besides being enabled is in `nixos-compat/cases`. Results are appended to FILE as JSON lines; a
module that has a line there is not tried again. With `--compare`, the units are compared with those of NixOS's own
evaluation, which takes three times as long. Without a nixpkgs, there is nothing to sweep.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ENVIRONMENT = {
    "NIX_CONFIG": "build-users-group =\nsubstitute = false\n",
    # The question is whether modules evaluate, not whether their packages are wanted.
    "NIXPKGS_ALLOW_BROKEN": "1",
    "NIXPKGS_ALLOW_INSECURE": "1",
    "NIXPKGS_ALLOW_UNFREE": "1",
}
TIMEOUT_SECONDS = 120


class Failed(Exception):
    """An evaluation that failed, with the error's own text."""


def evaluate(nixpkgs: Path, attribute: str, *args: str) -> Any:
    """Evaluates one attribute of module.nix. Writes nothing to the store."""
    command = ["nix-instantiate", "--readonly-mode", "--eval", "--strict", "--json", "-A", attribute]
    command += [str(HERE / "module.nix"), "--arg", "nixpkgs", str(nixpkgs), *args]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
            env={**os.environ, **ENVIRONMENT},
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"no result after {TIMEOUT_SECONDS} s") from None
    if done.returncode != 0:
        raise Failed(reason(done.stderr))
    return json.loads(done.stdout)


def reason(stderr: str) -> str:
    """Gives the line of an error that says what is wrong."""
    lines = [line.strip() for line in stderr.splitlines()]
    errors = [line.removeprefix("error:").strip() for line in lines if line.startswith("error:")]
    found = next((e for e in errors if e), None) or (lines[-1] if lines else "no message")
    return re.sub(r"/nix/store/[0-9a-z]{32}-", "", found)[:300]


def try_module(nixpkgs: Path, module: str) -> dict[str, Any]:
    """Tries what can be done with a module; what failed has its error in `errors`."""
    args = ("--argstr", "module", module)
    result: dict[str, Any] = {"module": module, "errors": {}}
    try:
        result.update(evaluate(nixpkgs, "all", *args))
    except Failed:
        for what in ("declares", "defaults", "enabled"):
            try:
                result[what] = evaluate(nixpkgs, what, *args)
            except Failed as failed:
                result["errors"][what] = str(failed)
    enabled = result.get("enabled")
    if enabled and enabled["failed"]:
        result["errors"]["enabled"] = "assertion: " + enabled["failed"][0].strip()
    return result


def normalised(text: str | None) -> list[str]:
    """Gives the lines of a unit without what must differ: store hashes, the layout of scripts, NixOS's PATH and locales."""
    if text is None:
        return ["masked"]
    lines = []
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line
        # What is in this section is among the edges.
        if (
            section == "[Install]"
            or not line
            or re.match(r'Environment="(PATH|LOCALE_ARCHIVE|TZDIR)=|X-(Restart|Reload)-Triggers=', line)
        ):
            continue
        line = re.sub(r"/nix/store/[0-9a-z]{32}-", "/nix/store/", line)
        line = re.sub(r"/nix/store/unit-script[^/ ]*/bin/(\S+)", r"/nix/store/unit-script-\1", line)
        lines.append(f"{section} {line.rstrip()}")
    return sorted(lines)


def compare(nixpkgs: Path, module: str, base: set[str]) -> dict[str, Any]:
    """Compares a module's units with those of NixOS; `missing` are those that only NixOS has."""
    try:
        both = evaluate(nixpkgs, "compared", "--argstr", "module", module, "--arg", "hostPackages", "false")
    except Failed as failed:
        return {"error": str(failed)}
    # What our own modules do in the distribution's way has no unit of the same name on NixOS.
    ours = {name: text for name, text in both["ours"].items() if not name.startswith("system-manager-")}
    theirs = both["theirs"]
    different = {}
    for name, text in ours.items():
        a, b = Counter(normalised(text)), Counter(normalised(theirs.get(name, "")))
        if a != b:
            different[name] = {"ours": sorted((a - b).elements()), "theirs": sorted((b - a).elements())}
    return {
        "equal": sorted(set(ours) - set(different)),
        "different": different,
        "missing": sorted(set(both["names"]) - base - set(ours)),
    }


def summary(results: list[dict[str, Any]]) -> str:
    """Gives the figures, and the reasons of what failed, as Markdown."""
    total = len(results)
    lines = ["| what | modules | share |", "| --- | --- | --- |"]

    def row(what: str, count: int, of: int) -> None:
        lines.append(f"| {what} | {count} of {of} | {100 * count / max(of, 1):.1f} % |")

    for what in ("declares", "defaults"):
        row(what, sum(what not in r["errors"] for r in results), total)
    switchable = [r for r in results if r.get("enabled", {"switches": [1]})["switches"]]
    row("evaluates when enabled", sum("enabled" not in r["errors"] for r in switchable), len(switchable))
    compared = [r["compared"] for r in results if "error" not in r.get("compared", {"error": ""})]
    compared = [c for c in compared if c["equal"] or c["different"] or c["missing"]]
    if compared:
        same = sum(not c["different"] and not c["missing"] for c in compared)
        row("units equal those of NixOS", same, len(compared))
    lines += ["", "| module | fails at | why |", "| --- | --- | --- |"]
    for result in sorted(results, key=lambda r: str(r["module"])):
        for what, why in result["errors"].items():
            shown = " ".join(str(why).split()).replace("|", "\\|")
            lines.append(f"| {result['module']} | {what} | {shown} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("nixpkgs", type=Path)
    parser.add_argument("--under", default="services/", help="only modules whose path begins so")
    parser.add_argument("--failed", action="store_true", help="try those again that failed")
    parser.add_argument("--output", type=Path, default=Path("compat.jsonl"), help="results, one JSON line a module")
    parser.add_argument("--compare", action="store_true", help="compare the units with NixOS's own evaluation")
    args = parser.parse_args()

    nixpkgs = args.nixpkgs.resolve()
    modules = [m for m in evaluate(nixpkgs, "modules") if m.startswith(args.under)]
    results = {}
    if args.output.exists():
        for line in args.output.read_text().splitlines():
            result = json.loads(line)
            results[result["module"]] = result
    base = set(evaluate(nixpkgs, "base")) if args.compare else set()

    started = time.monotonic()
    with args.output.open("a") as output:
        for number, module in enumerate(modules, 1):
            known = results.get(module)
            if args.failed and known and known["errors"]:
                known = None
            if known is None or (args.compare and "compared" not in known):
                result = known or try_module(nixpkgs, module)
                if args.compare and "enabled" not in result["errors"]:
                    result["compared"] = compare(nixpkgs, module, base)
                results[module] = result
                output.write(json.dumps(result) + "\n")
                output.flush()
            if sys.stderr.isatty():
                print(f"\r{number}/{len(modules)} {module[:60]:60}", end="", file=sys.stderr)
    print(summary([results[m] for m in modules]))
    print(f"\n{len(modules)} modules in {time.monotonic() - started:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
