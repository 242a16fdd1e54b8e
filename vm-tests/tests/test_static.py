"""The program as `cargo static` builds it uses nothing of the C library of the machine it runs on."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from images.rootimage import lacks_root
from judges.snapshot import ACCOUNT_BACKUPS, SUBID_BACKUPS, assert_same, take_snapshot
from program import host as program
from program.host import PROJECT, Host

STATIC = PROJECT / "target/release/system-manager"
LIMIT = 9_000_000

ACCOUNTS = """
  {
    users.users.web = { isNormalUser = true; extraGroups = [ "adm" ]; };
    users.groups.editors.members = [ "web" ];
    environment.etc."web.conf" = { text = "hello"; mode = "0640"; group = "editors"; };
    systemd.services.hello = { wantedBy = [ "multi-user.target" ]; script = "true"; };
  }
"""


def _lacking() -> str:
    """Says why there is no static program to test; empty when there is one."""
    how = "run with: cargo static"
    if not STATIC.exists():
        return f"{STATIC.relative_to(PROJECT)} has not been built; {how}"
    # The name of a dynamic linker is in every program that wants one.
    return f"{STATIC.relative_to(PROJECT)} is not static; {how}" if b"/ld-linux" in STATIC.read_bytes() else ""


needs_static = pytest.mark.skipif(bool(_lacking()), reason=_lacking())


@needs_static
def test_it_runs_where_there_is_nothing_but_a_busybox_and_is_small(tmp_path: Path) -> None:
    busybox = shutil.which("busybox")
    assert busybox is not None
    (tmp_path / "bin").mkdir()
    shutil.copy(busybox, tmp_path / "bin/busybox")
    (tmp_path / "bin/sh").symlink_to("busybox")
    shutil.copy(STATIC, tmp_path / "bin/system-manager")
    (tmp_path / "host.nix").write_text(ACCOUNTS)
    argv = ["chroot", str(tmp_path), "/bin/sh", "-c", "system-manager --version && system-manager status"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.split("\n")[1:]) == (0, ["nothing is active", ""]), done
    assert STATIC.stat().st_size <= LIMIT


@needs_static
@pytest.mark.parametrize("image", ["debian-12", "debian-13"])
def test_it_looks_up_accounts_and_switches_on_other_releases(
    image: str, make_machine: Callable[..., SystemdMachine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if lacking := lacks_root(image):
        pytest.skip(lacking)
    monkeypatch.setattr(program, "PROGRAM", STATIC)
    host = Host(make_machine(image=image), tmp_path)
    machine = host.machine
    before = take_snapshot(machine)
    toplevel = host.bring(ACCOUNTS)
    # The activator that the toplevel brings, and nothing else of ours.
    machine.succeed("rm /usr/local/bin/system-manager")
    activator = f"{toplevel}/bin/system-manager"
    machine.succeed("loginctl enable-linger daemon", "systemctl start user@1.service")
    output = machine.succeed(f"{activator} plan {toplevel} 2>&1")
    assert "web" in output, output
    machine.succeed(f"{activator} register {toplevel}", f"{activator} activate {toplevel} 2>&1")
    assert machine.succeed("stat -c '%U %G %a' /etc/web.conf").split() == ["root", "editors", "640"]
    assert machine.get_unit_property("hello.service", "Result") == "success"
    machine.succeed(f"{activator} deactivate", "loginctl disable-linger daemon")
    assert_same(before, take_snapshot(machine), [*ACCOUNT_BACKUPS, *SUBID_BACKUPS])
