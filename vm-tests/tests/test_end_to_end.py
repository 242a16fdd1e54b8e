"""A host's life on a kernel and a disk of its own, where a power cut loses what was not yet on the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import MakeMachine
from story import live_through

pytestmark = [pytest.mark.kinds("uml", "qemu"), pytest.mark.timeout(3600)]


def test_push_switch_reboot_power_cuts_and_away(make_machine: MakeMachine, machine_kind: str, tmp_path: Path) -> None:
    machine = make_machine(**({"power_cuts": 1} if machine_kind == "qemu" else {}))
    live_through(machine, tmp_path)
