"""Draws the README's picture: what `plan` says on a booted container. See `docs/pictures/draw`."""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

from base.errors import MachineError
from kinds import make_machine, missing
from program.host import PROJECT, Host

WIDTH = 118
BEFORE = PROJECT / "examples/nginx.nix"
AFTER = PROJECT / "docs/pictures/plan.nix"
# The letters of a terminal, without a font that would have to be fetched.
FORMAT = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>What a plan looks like</title>
<style>
.m {{ font: {char_height}px/{line_height}px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
<rect width="{width}" height="{height}" rx="8" fill="#1a1b26"/>
<g transform="translate({terminal_x}, 16)">
{backgrounds}
<g class="m">{matrix}</g>
</g>
</svg>
"""


def draw(text: str) -> str:
    """Returns the text of a terminal, with its colours, as an SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    for line in text.splitlines():
        console.print(Text.from_ansi(line), soft_wrap=False, overflow="fold")
    svg = console.export_svg(theme=SVG_EXPORT_THEME, code_format=FORMAT, unique_id="plan")
    # Its styles name a family of their own.
    return svg.replace(".plan-matrix", ".m")


def main() -> int:
    """Draws it and returns the exit code."""
    parser = argparse.ArgumentParser(prog="docs/pictures/draw", description=__doc__)
    parser.add_argument("output", type=Path)
    output = parser.parse_args().output
    if lacking := missing("container"):
        print(f"error: {lacking}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        machine = make_machine("container", "web", out_dir=Path(folder))
        try:
            host = Host(machine, Path(folder))
            host.switch(BEFORE)
            shown = host.run("plan", host.bring(AFTER), "--color", "always")
        except MachineError as error:
            print(f"error: {error}", file=sys.stdout)
            return 1
        finally:
            machine.release()
    output.write_text(draw(f"# system-manager plan\n{shown}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
