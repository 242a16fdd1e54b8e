"""`switch --install-missing`: packages of the distribution, by a real apt and a real dnf from a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from judges.snapshot import assert_same, take_snapshot
from program.host import Host
from program.rpm import begin_database, build_package

CONFIGURATION = """{
  system-manager.hostRequirements = [
    { path = "/usr/bin/sm-tool"; package = "sm-tool"; install.debian = "sm-tool"; }
  ];
  environment.etc."sm-marker".text = "here\\n";
}"""

# Holds apt's lock until it is killed.
HOLD = (
    "import fcntl,time; f=open('/var/lib/dpkg/lock-frontend','w'); fcntl.lockf(f,fcntl.LOCK_EX); "
    "open('/run/sm-held','w'); time.sleep(600)"
)


@pytest.fixture
def host(machine: SystemdMachine, tmp_path: Path) -> Host:
    """A machine with the program, and with a repository of two packages, one of which needs the other."""
    if machine.execute("command -v apt-get")[0] != 0:
        pytest.skip("this image has no apt")
    for name, needs in [("sm-tool", "Depends: sm-library\\n"), ("sm-library", ""), ("sm-other", "Depends: sm-tool\\n")]:
        folder = f"/root/build/{name}"
        machine.succeed(
            f"mkdir -p {folder}/DEBIAN {folder}/usr/bin && printf 'Package: {name}\\nVersion: 1\\nArchitecture: all\\n"
            f"Maintainer: x <x@example.org>\\n{needs}Description: x\\n' >{folder}/DEBIAN/control",
            f"printf '#!/bin/sh\\n' >{folder}/usr/bin/{name} && chmod 755 {folder}/usr/bin/{name}",
            f"mkdir -p /srv/repo && dpkg-deb --build {folder} /srv/repo/{name}.deb",
            f"{{ dpkg-deb --field /srv/repo/{name}.deb; echo Filename: ./{name}.deb; "
            f"echo Size: $(stat -c %s /srv/repo/{name}.deb); "
            f"echo SHA256: $(sha256sum /srv/repo/{name}.deb | cut -d' ' -f1); echo; }} >>/srv/repo/Packages",
        )
    machine.succeed(
        "echo 'APT::Sandbox::User \"root\";' >/etc/apt/apt.conf.d/99sm",
        "rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*",
        "echo 'deb [trusted=yes] file:/srv/repo ./' >/etc/apt/sources.list",
        "apt-get update",
    )
    return Host(machine, tmp_path)


def _is_installed(machine: SystemdMachine, name: str) -> bool:
    return machine.execute(f"test -e /usr/bin/{name}")[0] == 0


def test_what_is_missing_is_installed_when_asked_and_removed_when_asked(host: Host) -> None:
    machine = host.machine
    before = take_snapshot(machine)
    toplevel = host.bring(CONFIGURATION)
    plan = host.run("plan", toplevel, expect=1)
    assert "\n  apt-get install sm-tool\n" in plan, plan
    assert host.json("plan", toplevel, expect=1)["install"]["packages"] == ["sm-tool"]

    # Never unasked.
    refused = host.run("switch", toplevel, expect=1)
    assert "apt-get install sm-tool" in refused
    assert not _is_installed(machine, "sm-tool")
    assert_same(before, take_snapshot(machine))

    output = host.run("switch", toplevel, "--install-missing")
    assert "installed sm-library, sm-tool" in output, output
    assert _is_installed(machine, "sm-tool") and machine.succeed("cat /etc/sm-marker") == "here\n"
    # Nothing is missing any more.
    assert "No changes" in host.run("switch", toplevel, "--install-missing")

    output = host.run("deactivate")
    assert "a switch has installed stay: sm-library, sm-tool" in output, output
    assert _is_installed(machine, "sm-tool")

    # What others need by now stays, and all with it.
    machine.succeed("apt-get install --yes sm-other")
    output = host.run("deactivate", "--purge-installed", expect=3)
    assert "sm-other depends on sm-tool" in output, output
    assert _is_installed(machine, "sm-tool")
    machine.succeed("dpkg --purge sm-other")
    assert "Removed packages of the distribution: sm-library, sm-tool" in host.run("deactivate", "--purge-installed")
    assert not _is_installed(machine, "sm-tool") and not _is_installed(machine, "sm-library")
    assert "packages" not in host.run("deactivate", "--purge-installed")
    assert_same(before, take_snapshot(machine))


def test_a_lock_is_waited_for_and_a_failure_changes_nothing(host: Host) -> None:
    machine = host.machine
    toplevel = host.bring(CONFIGURATION)
    before = take_snapshot(machine)
    held = machine.succeed(f'setsid python3 -c "{HOLD}" >/dev/null 2>&1 & echo $!').strip()
    machine.wait_for_file("/run/sm-held")
    output = host.run("switch", toplevel, "--install-missing", "--unit-timeout", "2", expect=1)
    assert "error: installing missing packages" in output and "lock" in output, output
    assert "hint: " in output
    assert_same(before, take_snapshot(machine))

    # It goes on when the lock is free.
    machine.succeed(f"setsid sh -c 'sleep 3; kill {held}' >/dev/null 2>&1 &")
    host.run("switch", toplevel, "--install-missing")
    assert _is_installed(machine, "sm-tool")
    host.run("deactivate", "--purge-installed")

    # A package that nobody has.
    absent = host.bring(CONFIGURATION.replace('install.debian = "sm-tool"', 'install.debian = "sm-nowhere"'))
    output = host.run("switch", absent, "--install-missing", expect=1)
    assert "sm-nowhere" in output and "hint: " in output, output
    # Something else that forbids the switch forbids the packages, too.
    machine.succeed("echo theirs >/etc/sm-marker")
    host.run("switch", toplevel, "--install-missing", expect=1)
    assert not _is_installed(machine, "sm-tool")
    machine.succeed("rm /etc/sm-marker")
    assert_same(before, take_snapshot(machine))


SPEC = """
Name: NAME
Version: 1
Release: 1
Summary: x
License: x
BuildArch: noarch
AutoReqProv: no
REQUIRES
%description
x
%install
mkdir -p %{buildroot}/usr/bin
echo '#!/bin/sh' >%{buildroot}/usr/bin/NAME
%files
%attr(0755, root, root) /usr/bin/NAME
"""


@pytest.fixture
def fedora(practice_host: Host) -> Host:
    """A host that says it is a Fedora, with the same packages in a repository for dnf."""
    machine = practice_host.machine
    begin_database(machine)
    machine.succeed("mkdir -p /srv/repo")
    for name, needs in (("sm-tool", "sm-library"), ("sm-library", ""), ("sm-other", "sm-tool")):
        spec = SPEC.replace("NAME", name).replace("REQUIRES", f"Requires: {needs}" if needs else "")
        build_package(machine, spec, f"/srv/repo/{name}.rpm")
    machine.succeed(
        "createrepo_c /srv/repo",
        "mkdir -p /etc/yum.repos.d && printf '[local]\nname=local\nbaseurl=file:///srv/repo\ngpgcheck=0\n' "
        ">/etc/yum.repos.d/local.repo",
        "rm /etc/os-release && printf 'ID=fedora\nVERSION_ID=41\n' >/etc/os-release",
        "dnf makecache",
    )
    return practice_host


def test_dnf_installs_what_is_missing_and_rpm_removes_it(fedora: Host) -> None:
    machine = fedora.machine
    toplevel = fedora.bring(CONFIGURATION.replace("install.debian", "install.fedora"))
    plan = fedora.run("plan", toplevel, expect=1)
    assert "\n  dnf install sm-tool\n" in plan, plan
    assert not _is_installed(machine, "sm-tool")

    output = fedora.run("switch", toplevel, "--install-missing")
    assert "installed sm-library, sm-tool" in output, output
    assert _is_installed(machine, "sm-tool") and machine.succeed("cat /etc/sm-marker") == "here\n"
    assert "a switch has installed stay: sm-library, sm-tool" in fedora.run("deactivate")

    machine.succeed("dnf --assumeyes install sm-other")
    output = fedora.run("deactivate", "--purge-installed", expect=3)
    assert "sm-tool is needed by (installed) sm-other" in output, output
    assert _is_installed(machine, "sm-tool")
    machine.succeed("rpm --erase sm-other")
    assert "Removed packages of the distribution: sm-library, sm-tool" in fedora.run("deactivate", "--purge-installed")
    assert not _is_installed(machine, "sm-tool") and not _is_installed(machine, "sm-library")

    # A package that nobody has.
    absent = fedora.bring(CONFIGURATION.replace('install.debian = "sm-tool"', 'install.fedora = "sm-nowhere"'))
    output = fedora.run("switch", absent, "--install-missing", expect=1)
    assert "sm-nowhere" in output and "hint: " in output, output
