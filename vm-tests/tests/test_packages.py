"""Packages of the distribution that have files of ours as their configuration: real ones, made with dpkg-deb."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from judges.snapshot import assert_same, take_snapshot
from program.host import Host

CONF = "/etc/sm-app.conf"
SETTINGS = "/etc/dpkg/dpkg.cfg.d/system-manager"

ENTRIES = {
    "copy": '{ environment.etc."sm-app.conf".text = "ours\\n"; }',
    "link": '{ environment.etc."sm-app.conf" = { text = "ours\\n"; mode = "direct-symlink"; }; }',
}

# What is done while the file is ours, and what dpkg leaves when it stops being ours.
WAYS = {
    "upgrade": ("dpkg -i /root/sm-app_2.deb", True),
    "confold": ("dpkg --force-confold -i /root/sm-app_2.deb", True),
    "confnew": ("dpkg --force-confnew -i /root/sm-app_2.deb", True),
    "confdef": ("dpkg --force-confdef -i /root/sm-app_2.deb", True),
    "confmiss": (f"rm {CONF} && dpkg --force-confmiss -i /root/sm-app_2.deb", True),
    "reinstall": ("dpkg -i /root/sm-app_1.deb", True),
    "purge": ("dpkg -P sm-app", False),
    "purge and install": ("dpkg -P sm-app && dpkg -i /root/sm-app_1.deb", True),
    "dropped conffile": ("dpkg -i /root/sm-app_3.deb", True),
    "remove-on-upgrade": ("dpkg -i /root/sm-app_4.deb", True),
    "postinst that writes": ("dpkg -i /root/sm-app_5.deb", True),
    "sed -i": (f"sed -i s/ours/edited/ {CONF}", True),
    "an editor that writes through": (f"echo edited >>{CONF}", True),
    "an editor that renames": (f"echo edited >/etc/.sm-new && mv /etc/.sm-new {CONF}", True),
}


@pytest.fixture
def host(machine: SystemdMachine, tmp_path: Path) -> Host:
    """A machine with the program in it."""
    return Host(machine, tmp_path)


def _make_package(machine: SystemdMachine, version: int, conffiles: str, postinst: str = "") -> None:
    folder = f"/root/sm-app-{version}"
    machine.succeed(
        f"mkdir -p {folder}/DEBIAN && printf 'Package: sm-app\\nVersion: {version}\\nArchitecture: all\\n"
        f"Maintainer: x <x@example.org>\\nDescription: x\\n' >{folder}/DEBIAN/control"
    )
    if conffiles == CONF:
        machine.succeed(f"mkdir -p {folder}/etc && echo shipped {version} >{folder}{CONF}")
    if conffiles:
        machine.succeed(f"echo '{conffiles}' >{folder}/DEBIAN/conffiles")
    if postinst:
        machine.succeed(f"printf '#!/bin/sh\\n{postinst}\\n' >{folder}/DEBIAN/postinst")
        machine.succeed(f"chmod 755 {folder}/DEBIAN/postinst")
    machine.succeed(f"dpkg-deb --build {folder} /root/sm-app_{version}.deb")


def _make_packages(machine: SystemdMachine) -> None:
    _make_package(machine, 1, CONF)
    _make_package(machine, 2, CONF)
    _make_package(machine, 3, "")
    _make_package(machine, 4, f"remove-on-upgrade {CONF}")
    _make_package(machine, 5, CONF, f"echo from postinst >{CONF}")


@pytest.mark.parametrize("form", ENTRIES)
def test_a_conffile_of_ours_survives_what_dpkg_does(host: Host, form: str) -> None:
    machine = host.machine
    if machine.execute("command -v dpkg-deb")[0] != 0:
        pytest.skip("this image has no dpkg")
    _make_packages(machine)
    entry = host.bring(ENTRIES[form])
    for way, (command, is_there_afterwards) in WAYS.items():
        machine.succeed("dpkg -i /root/sm-app_1.deb")
        before = take_snapshot(machine)
        plan = host.run("plan", entry)
        assert "the existing file of the package `sm-app`" in plan, plan
        assert ("a copy, since it is a conffile of the package `sm-app`" in plan) == (form == "copy"), plan
        host.run("activate", entry)
        assert machine.succeed(f"cat {CONF}") == "ours\n", way
        is_link = machine.execute(f"test -L {CONF}")[0] == 0
        assert is_link == (form == "link"), way
        machine.succeed(f"grep -x 'path-exclude={CONF}' {SETTINGS}")

        # Nobody is asked: standard input is empty, and dpkg would fail.
        machine.succeed(f"export DEBIAN_FRONTEND=noninteractive; ({command}) </dev/null")

        host.run("status")
        host.run("activate", entry)
        assert machine.succeed(f"cat {CONF}") == "ours\n", way
        machine.succeed("! find /nix/store -maxdepth 1 -name '*.dpkg-new' | grep .")
        assert "drift" not in host.run("status"), way
        assert "No changes" in host.run("plan", entry), way
        host.run("deactivate")
        machine.succeed(f"test ! -e {SETTINGS}")
        if is_there_afterwards:
            assert machine.succeed(f"cat {CONF}") == "shipped 1\n", way
        else:
            machine.succeed(f"test ! -e {CONF} -a ! -L {CONF}")
            assert f"backup of an edit: {CONF}" in host.run("status"), way
        machine.succeed(f"dpkg -P sm-app; rm -f {CONF} {CONF}.dpkg-*")
        machine.succeed("dpkg -i /root/sm-app_1.deb")
        assert_same(before, take_snapshot(machine))
        machine.succeed(f"dpkg -P sm-app; rm -f {CONF}")


def test_an_edited_conffile_is_not_replaced_unasked(host: Host) -> None:
    machine = host.machine
    if machine.execute("command -v dpkg-deb")[0] != 0:
        pytest.skip("this image has no dpkg")
    _make_packages(machine)
    machine.succeed(f"dpkg -i /root/sm-app_1.deb && echo edited >>{CONF}")
    host.refuses(ENTRIES["copy"], "is an edited file of the package `sm-app`")
    machine.succeed(f"echo 'shipped 1' >{CONF}")
    host.switch(ENTRIES["copy"])
    machine.succeed(f"touch {CONF}.dpkg-dist")
    for command in ("status", "plan"):
        told = host.run(command, *(["--deactivate"] if command == "plan" else []))
        assert f"{CONF}.dpkg-dist beside {CONF}, of the package `sm-app`" in told, told
    machine.succeed(f"rm {CONF}.dpkg-dist")
    host.run("deactivate")
    machine.succeed("dpkg -P sm-app")


def test_a_file_that_ucf_watches_over_is_a_copy_and_nobody_is_asked(host: Host) -> None:
    machine = host.machine
    if machine.execute("command -v ucf")[0] != 0:
        pytest.skip("this image has no ucf (apt-get install ucf)")
    conf = "/etc/sm-ucf.conf"
    ucf = f"DEBIAN_FRONTEND=noninteractive ucf --debconf-ok /root/ucf-new {conf} </dev/null"
    machine.succeed(f"echo shipped >/root/ucf-new && {ucf} && ucfr sm-app {conf}")
    entry = host.bring('{ environment.etc."sm-ucf.conf".text = "ours\\n"; }')
    assert "a copy, since it is a conffile of the package `sm-app`" in host.run("plan", entry)
    host.run("activate", entry)
    machine.succeed(f"test -f {conf} -a ! -L {conf}")
    machine.succeed(f"echo newer >/root/ucf-new && {ucf}")
    assert machine.succeed(f"cat {conf}") == "ours\n"
    assert f"{conf}.ucf-dist beside {conf}, of the package `sm-app`" in host.run("status")
    host.run("activate", entry)
    host.run("deactivate")
    assert machine.succeed(f"cat {conf}") == "shipped\n"


READ_ONLY = """
{
  environment.etc."sm-file".text = "VERSION\\n";
  systemd.mounts = [ {
    what = "/nix/store"; where = "/nix/store"; type = "none"; options = "bind,ro"; mountConfig.LazyUnmount = true;
    wantedBy = [ "local-fs.target" ];
  } ];
}
"""


def test_a_store_that_is_mounted_read_only_is_written_to_by_nobody_else(host: Host) -> None:
    machine = host.machine
    before = take_snapshot(machine)
    first = host.bring(READ_ONLY.replace("VERSION", "1"))
    second = host.bring(READ_ONLY.replace("VERSION", "2"))
    host.run("activate", first)
    machine.fail("echo edited >>/etc/sm-file")
    assert "Read-only file system" in machine.execute("sh -c 'echo edited >>/etc/sm-file' 2>&1")[1]
    host.run("activate", second)
    # What was damaged before, or by who lifted it, is mended through it; and it stays as it is for all others.
    machine.succeed("mount -o remount,bind,rw /nix/store", "rm $(readlink /etc/sm-file)")
    machine.succeed("mount -o remount,bind,ro /nix/store")
    assert "removed in the store" in host.run("status")
    host.run("activate", second)
    assert machine.succeed("cat /etc/sm-file") == "2\n"
    machine.fail("touch /nix/store/.sm-probe")
    host.run("deactivate")
    machine.succeed("touch /nix/store/.sm-probe && rm /nix/store/.sm-probe")
    assert_same(before, take_snapshot(machine))
