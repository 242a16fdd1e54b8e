"""Packages of rpm, made with a machine's own rpmbuild."""

from __future__ import annotations

from api.machine import Machine


def build_package(machine: Machine, spec: str, to: str) -> None:
    """Builds the one package of a specification, and puts it at a path of the machine."""
    machine.succeed(
        f"cat >/root/x.spec <<'END'{spec}END",
        "rpmbuild --quiet --nodeps -bb --define '_topdir /root/rpmbuild' /root/x.spec >/dev/null 2>&1",
        f"mv /root/rpmbuild/RPMS/noarch/*.rpm {to}",
    )


def begin_database(machine: Machine) -> None:
    """Begins rpm's database, which is not there where another package manager is."""
    machine.succeed("mkdir -p /var/lib/rpm && rpm --initdb")
