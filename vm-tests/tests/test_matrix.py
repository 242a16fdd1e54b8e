"""Hosts that differ in what a distribution decides: versions, cgroups, file systems, where programs are."""

from __future__ import annotations

from pathlib import Path
from shutil import which
from typing import Any

import pytest

from api.systemd_api import SystemdMachine
from conftest import MakeMachine
from judges.snapshot import ACCOUNT_BACKUPS, assert_same, take_snapshot
from judges.verdict import judge, verdict
from kinds import missing
from program.host import Host
from story import CONFIGURATION, live_through

_PROGS = {"xfs": "xfsprogs", "btrfs": "btrfs-progs"}

_CONTAINERS: dict[str, dict[str, Any]] = {
    "systemd-252-cgroups-v1": {"image": "debian-12", "cgroups": "v1"},
    "systemd-257-cgroups-v2": {"image": "debian-13", "cgroups": "v2"},
    "merged-sbin": {"image": "debian-12-merged-sbin"},
    "unmerged-usr": {"image": "debian-12-unmerged-usr"},
    "etc-on-ext4": {"image": "debian-12", "etc": "ext4"},
    "etc-on-xfs": {"image": "debian-12", "etc": "xfs"},
    "etc-on-btrfs": {"image": "debian-12", "etc": "btrfs"},
}

# What shows that a row is what its name says.
_PROOFS = {
    "systemd-252-cgroups-v1": "systemctl --version | grep -q '^systemd 252' && test -d /sys/fs/cgroup/systemd",
    "systemd-257-cgroups-v2": "systemctl --version | grep -q '^systemd 257' && test -e /sys/fs/cgroup/cgroup.procs",
    "merged-sbin": "test $(readlink /usr/sbin) = bin && test -x /usr/bin/useradd",
    "unmerged-usr": "test ! -L /bin && test ! -L /sbin && test ! -e /usr/lib/systemd/system",
    "etc-on-ext4": "test $(findmnt -no FSTYPE /etc) = ext4",
    "etc-on-xfs": "test $(findmnt -no FSTYPE /etc) = xfs",
    "etc-on-btrfs": "test $(findmnt -no FSTYPE /etc) = btrfs",
}
_SLOW = {"etc-on-xfs", "etc-on-btrfs"}


def _require(kind: str, options: dict[str, Any]) -> None:
    if lacking := missing(kind, options["image"]):
        pytest.skip(lacking)
    filesystem = options.get("etc", options.get("filesystem"))
    if filesystem in _PROGS and which(f"mkfs.{filesystem}") is None:
        command = f"apt-get install {_PROGS[filesystem]} && vm-tests/run --kind {kind} test_matrix.py"
        pytest.skip(f"mkfs.{filesystem} is not installed; run with: {command}")
    if options.get("cgroups") == "v1" and not Path("/sys/fs/cgroup/systemd").is_dir():
        pytest.skip("this kernel's cgroups are all v2; run with: a host that boots systemd.unified_cgroup_hierarchy=0")


@pytest.mark.kinds("container")
@pytest.mark.parametrize(
    "row", [pytest.param(row, marks=[pytest.mark.slow] if row in _SLOW else []) for row in _CONTAINERS]
)
def test_a_life_in_a_container(make_machine: MakeMachine, tmp_path: Path, row: str) -> None:
    _require("container", _CONTAINERS[row])
    machine = make_machine(**_CONTAINERS[row])
    machine.succeed(_PROOFS[row])
    live_through(machine, tmp_path)


@pytest.mark.kinds("uml")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("image", "filesystem"), [("debian-13", "ext4"), ("debian-12", "xfs"), ("debian-12", "btrfs")])
def test_a_life_on_a_disk(make_machine: MakeMachine, tmp_path: Path, image: str, filesystem: str) -> None:
    options = {"image": image, "filesystem": filesystem}
    _require("uml", options)
    machine = make_machine(**options)
    assert machine.succeed("findmnt -no FSTYPE /") == f"{filesystem}\n"
    live_through(machine, tmp_path)


# What the distribution's security module says of itself: AppArmor, or SELinux.
_CONFINEMENT = "if command -v aa-status >&2; then aa-status --profiled; else getenforce; fi"
_ACCOUNTS = "getent passwd; getent group; cat /etc/shadow /etc/subuid /etc/subgid; ls -lA /home; cat /etc/sudoers.d/*"


@pytest.mark.kinds("qemu")
@pytest.mark.timeout(1800)
def test_accounts_of_cloud_init_stay_as_they_are(machine: SystemdMachine, tmp_path: Path) -> None:
    host = Host(machine, tmp_path)
    assert int(machine.succeed("df --output=size --block-size=1G / | tail -n 1")) >= 14, "it has not grown to its disk"
    users = machine.succeed("getent passwd | awk -F: '$3 >= 1000 && $3 < 60000 { print $1 }'").split()
    assert users
    machine.succeed("test -e /etc/sudoers.d/90-cloud-init-users", "grep -q . /var/lib/cloud/data/instance-id")
    before, accounts, baseline = take_snapshot(machine), machine.succeed(_ACCOUNTS), judge(machine)
    confined = machine.succeed(_CONFINEMENT)
    host.switch(CONFIGURATION.replace("VERSION", "one"))
    assert set(accounts.splitlines()) - set(machine.succeed(_ACCOUNTS).splitlines()) == set()
    host.run("deactivate")
    assert machine.succeed(_ACCOUNTS) == accounts
    assert machine.succeed(_CONFINEMENT) == confined
    assert_same(before, take_snapshot(machine), ignore=ACCOUNT_BACKUPS)
    verdict(machine, baseline)
