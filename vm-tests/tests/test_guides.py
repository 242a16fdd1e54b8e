"""The commands of the guides, run as they stand, one after the other, on a fresh machine for each guide.

Comments in a guide, which no reader sees, say what a block is: `<!-- file: NAME -->` has it written to that file,
`<!-- into: NAME -->` has it put before that file's last line, `<!-- exit: N -->` names the exit code that its last
command must have, and `<!-- not run: REASON -->` leaves it out. `<!-- run: COMMANDS -->` runs what is not shown.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from program.closure import push_binary
from program.host import PROGRAM, PROJECT

# Machines run as root; what is kept of one guide must not help the next one.
HOME = "/root/guide"
_BLOCK = re.compile(
    r"<!-- run: (?P<hidden>.*?) -->"
    r"|(?:<!-- (?P<word>file|into|exit|not run): (?P<value>.*?) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)```",
    re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A block of code in a guide."""

    language: str
    text: str
    word: str | None
    value: str


def blocks(guide: Path) -> list[Block]:
    """Returns the blocks of a guide, in order."""
    return [
        Block(m["language"] or "sh", m["text"] or f"{m['hidden']}\n", m["word"], m["value"] or "")
        for m in _BLOCK.finditer(guide.read_text())
    ]


def walkable(guide: Path) -> bool:
    """Whether a guide has commands that are to be run."""
    return any(block.language == "sh" and block.word != "not run" for block in blocks(guide))


GUIDES = [guide for guide in [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))] if walkable(guide)]


def walk(machine: SystemdMachine, block: Block) -> None:
    """Does what a block says."""
    file = shlex.quote(f"{HOME}/{block.value}")
    if block.word == "file":
        machine.succeed(f"cat >{file} <<'END-OF-BLOCK'\n{block.text}END-OF-BLOCK\n")
    elif block.word == "into":
        machine.succeed(f"sed -i '$d' {file}; cat >>{file} <<'END-OF-BLOCK'\n{block.text}}}\nEND-OF-BLOCK\n")
    elif block.language == "sh" and block.word != "not run":
        wanted = int(block.value) if block.word == "exit" else 0
        # Each command must do, and the last one as it is said.
        script = f"cd {HOME} && {{ set -e\n{block.text}}}"
        code, output = machine.execute(f"bash -c {shlex.quote(script)} 2>&1", timeout=300)
        assert code == wanted, f"exit code {code}, not {wanted}:\n{block.text}\n{output}"


def test_a_user_who_may_not_build_is_told_what_to_set_up(machine: SystemdMachine) -> None:
    push_binary(machine, PROGRAM)
    machine.succeed("cd /tmp && system-manager init && system-manager build")
    code, said = machine.execute("cd /tmp && HOME=/tmp/user runuser -u nobody -- system-manager plan 2>&1")
    assert code == 1 and "hint: run this as root" in said and "nix-setup-systemd" in said, said
    assert "per-user" not in said, "Nix's own words are of no help here"


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_the_commands_of_a_guide_do_what_it_says(machine: SystemdMachine, guide: Path) -> None:
    push_binary(machine, PROGRAM)
    machine.succeed(f"mkdir -p {HOME}")
    for block in blocks(guide):
        walk(machine, block)
