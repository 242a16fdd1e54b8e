"""Power cuts on a machine with a disk of its own: what was synced is there, and the file system is whole."""

from __future__ import annotations

import pytest

from conftest import MakeMachine

_WRITE_AND_SYNC = (
    'python3 -c \'import os; f = open("/root/%s", "w"); f.write("x" * 100000); f.flush(); os.fsync(f.fileno())\''
)


@pytest.mark.kinds("qemu")
@pytest.mark.timeout(1800)
def test_synced_file_survives_a_power_cut(make_machine: MakeMachine) -> None:
    machine = make_machine(power_cuts=1)
    machine.succeed(_WRITE_AND_SYNC % "synced", "sync /root")
    machine.succeed("for i in $(seq 200); do echo $i >/root/loose-$i; done")
    machine.crash()
    machine.start()
    assert machine.succeed("stat -c %s /root/synced") == "100000\n"
    machine.succeed("! journalctl -k -b | grep -E 'EXT4-fs error|I/O error'")


@pytest.mark.kinds("uml")
def test_killed_kernel_loses_what_was_not_synced(make_machine: MakeMachine) -> None:
    machine = make_machine()
    machine.succeed(_WRITE_AND_SYNC % "synced", "sync /root")
    machine.succeed("echo loose >/root/loose")
    machine.crash()
    machine.start()
    assert machine.succeed("stat -c %s /root/synced") == "100000\n"
    machine.fail("test -s /root/loose")


@pytest.mark.kinds("qemu")
@pytest.mark.timeout(1800)
def test_clones_start_alike_and_stay_apart(make_machine: MakeMachine) -> None:
    one, two = make_machine("one"), make_machine("two")
    one.succeed("touch /etc/mine")
    two.fail("test -e /etc/mine")
    assert one.succeed("cat /proc/sys/kernel/random/boot_id") == two.succeed("cat /proc/sys/kernel/random/boot_id")
