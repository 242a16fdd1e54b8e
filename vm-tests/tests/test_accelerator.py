"""Which accelerator QEMU gets: the probe is a boot, and says no where nothing boots."""

from __future__ import annotations

import shutil

import pytest

from kinds import accelerator
from kinds.accelerator import works

_needs_qemu = pytest.mark.skipif(
    shutil.which("qemu-system-x86_64") is None,
    reason="QEMU is not installed; run with: apt-get install qemu-system-x86 && vm-tests/run test_accelerator.py",
)


@_needs_qemu
def test_probe_comes_to_its_end_where_guests_run() -> None:
    assert works(accelerator.EMULATION, limit=60)


@_needs_qemu
def test_probe_says_no_where_it_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not works("none-such")
    monkeypatch.setattr(accelerator, "_ROUNDS", 2**32 - 1)
    assert not works(accelerator.EMULATION, limit=0.5)


def test_choice_can_be_overridden(monkeypatch: pytest.MonkeyPatch) -> None:
    accelerator.accelerator.cache_clear()
    monkeypatch.setenv("MACHINE_ACCEL", "hvf")
    assert accelerator.accelerator() == "hvf"
    accelerator.accelerator.cache_clear()


@pytest.mark.parametrize(
    ("hinted", "boots", "chosen"), [(True, True, "kvm"), (True, False, "tcg"), (False, True, "tcg")]
)
def test_kvm_is_for_hosts_where_it_boots(
    monkeypatch: pytest.MonkeyPatch, *, hinted: bool, boots: bool, chosen: str
) -> None:
    accelerator.accelerator.cache_clear()
    monkeypatch.delenv("MACHINE_ACCEL", raising=False)
    monkeypatch.setattr(accelerator, "_may_have_kvm", lambda: hinted)
    monkeypatch.setattr(accelerator, "works", lambda _: boots)
    assert accelerator.accelerator().partition(",")[0] == chosen
    accelerator.accelerator.cache_clear()
