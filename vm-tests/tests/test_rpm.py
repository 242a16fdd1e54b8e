"""Packages of rpm that have files of ours as their configuration: real ones, made with rpmbuild."""

from __future__ import annotations

import pytest

from judges.snapshot import assert_same, take_snapshot
from program.host import Host
from program.rpm import begin_database, build_package

CONF = "/etc/sm-rpm.conf"

ENTRIES = {
    "link": '{ environment.etc."sm-rpm.conf".text = "ours\\n"; }',
    "copy": '{ environment.etc."sm-rpm.conf" = { text = "ours\\n"; mode = "0644"; }; }',
}

SPEC = """
Name: sm-rpm
Version: VERSION
Release: 1
Summary: x
License: x
BuildArch: noarch
%description
x
%install
mkdir -p %{buildroot}/etc
echo shipped VERSION >%{buildroot}/etc/sm-rpm.conf
%files
%attr(0644, root, root) KIND /etc/sm-rpm.conf
"""

RPM = "rpm --nodeps"
# What is done while the file is ours, and what rpm leaves beside it.
WAYS = {
    "upgrade": ("config", f"{RPM} -U /root/config-2.rpm", "saved"),
    "upgrade of noreplace": ("noreplace", f"{RPM} -U /root/noreplace-2.rpm", "new"),
    "upgrade of what is no configuration": ("plain", f"{RPM} -U /root/plain-2.rpm", ""),
    "reinstall": ("noreplace", f"{RPM} -U --replacepkgs /root/noreplace-1.rpm", ""),
    "erase": ("config", f"{RPM} -e sm-rpm", "saved"),
    "erase and install": ("noreplace", f"{RPM} -e sm-rpm && {RPM} -i /root/noreplace-1.rpm", "saved"),
}


@pytest.fixture
def host(practice_host: Host) -> Host:
    """A host with packages for its rpm."""
    machine = practice_host.machine
    begin_database(machine)
    for kind, directive in (("config", "%config"), ("noreplace", "%config(noreplace)"), ("plain", "")):
        for version in ("1", "2"):
            spec = SPEC.replace("VERSION", version).replace("KIND", directive)
            build_package(machine, spec, f"/root/{kind}-{version}.rpm")
    return practice_host


@pytest.mark.parametrize("form", ENTRIES)
def test_a_file_of_ours_survives_what_rpm_does(host: Host, form: str) -> None:
    machine = host.machine
    entry = host.bring(ENTRIES[form])
    for way, (kind, command, leaves) in WAYS.items():
        machine.succeed(f"{RPM} -i /root/{kind}-1.rpm")
        before = take_snapshot(machine)
        plan = host.run("plan", entry)
        assert "the existing file of the package `sm-rpm` is backed up" in plan, plan
        host.run("activate", entry)
        assert machine.succeed(f"cat {CONF}") == "ours\n", way
        assert (machine.execute(f"test -L {CONF}")[0] == 0) == (form == "link"), way
        # What rpm itself says of it: size, digest, link.
        machine.fail("rpm -V --nodeps sm-rpm")

        machine.succeed(f"({command}) </dev/null")

        # rpm writes through no link: the store is as it was built, and what it did is seen.
        status = host.run("status")
        assert "in the store" not in status, (way, status)
        for ending, suffix in (("new", ".rpmnew"), ("saved", ".rpmsave")):
            there = machine.execute(f"test -e {CONF}{suffix} -o -L {CONF}{suffix}")[0] == 0
            assert there == (leaves == ending), (way, suffix, machine.succeed(f"ls -l {CONF}*"))
            if there:
                assert f"{CONF}{suffix} beside {CONF}" in status, (way, status)
        host.run("activate", entry)
        assert machine.succeed(f"cat {CONF}") == "ours\n", way
        assert "drift" not in host.run("status"), way
        assert "No changes" in host.run("activate", entry), way
        machine.succeed(f"rm -f {CONF}.rpm*")
        host.run("deactivate")
        if way == "erase":
            # The package is gone, and its file is not put back behind its back.
            machine.succeed(f"test ! -e {CONF} -a ! -L {CONF}")
            assert f"backup of an edit: {CONF}" in host.run("status")
        else:
            assert machine.succeed(f"cat {CONF}") == "shipped 1\n", way
        machine.succeed(f"{RPM} -e sm-rpm || true", f"rm -f {CONF} {CONF}.rpm*", f"{RPM} -i /root/{kind}-1.rpm")
        assert_same(before, take_snapshot(machine))
        machine.succeed(f"{RPM} -e sm-rpm; rm -f {CONF}*")


def test_a_file_as_rpm_has_shipped_it_may_be_replaced_and_an_edited_one_not(host: Host) -> None:
    machine = host.machine
    for kind in ("config", "noreplace", "plain"):
        machine.succeed(f"{RPM} -i /root/{kind}-1.rpm", f"echo edited >>{CONF}")
        host.refuses(ENTRIES["link"], "is an edited file of the package `sm-rpm`")
        machine.succeed(f"echo 'shipped 1' >{CONF}")
        host.switch(ENTRIES["link"])
        host.run("deactivate")
        # A foreign edit that is kept by `replaceExisting` comes back as it was, and rpm still knows it as edited.
        machine.succeed(f"echo edited >>{CONF}")
        host.switch('{ environment.etc."sm-rpm.conf" = { text = "ours\\n"; replaceExisting = true; }; }')
        host.run("deactivate")
        assert machine.succeed(f"cat {CONF}") == "shipped 1\nedited\n"
        machine.succeed(f"rpm -e --nodeps sm-rpm; rm -f {CONF}*")
