"""Unmodified modules of a real nixpkgs on a stock distribution, with the distribution's own programs.

They need a nixpkgs from outside of the project: `NIXPKGS=/path/of/nixpkgs vm-tests/run test_nixos_modules.py`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from closure import install_closure
from errors import MachineError
from host import PROGRAM, Host
from rootimage import lacks_root
from snapshot import assert_same, take_snapshot
from systemd_api import SystemdMachine

IMAGE = "debian-12-services"
NIXPKGS = os.environ.get("NIXPKGS", "")
LACKING = (
    lacks_root(IMAGE)
    if NIXPKGS
    else "no nixpkgs at hand; run with: NIXPKGS=/path/of/nixpkgs vm-tests/run test_nixos_modules.py"
)

pytestmark = pytest.mark.skipif(LACKING is not None, reason=str(LACKING))

# The copies that every change of an account leaves, by the convention of shadow-utils.
SHADOW_BACKUPS = ("group-", "gshadow-", "passwd-", "shadow-")

HEADER = """
{ modulesPath, lib, ... }:
{
  nixos-compat.hostPackages.enable = true;
"""


class NixosHost(Host):
    """A machine whose configurations import modules of the nixpkgs at hand."""

    def bring(self, configuration: str | Path) -> str:
        """Builds a configuration with the nixpkgs, copies its closure into the machine and returns its toplevel."""
        file = self.folder / "host.nix"
        file.write_text(f"{HEADER}{configuration}\n}}\n")
        argv = [str(PROGRAM), "-q", "build", "--nixpkgs", NIXPKGS, "--file", str(file)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            raise MachineError(f"building {file}: {done.stderr}")
        return install_closure(self.machine, done.stdout.strip())


@pytest.fixture
def host(make_machine: Callable[..., SystemdMachine], tmp_path: Path) -> NixosHost:
    """A Debian with servers installed, none of them running, and the program in it."""
    return NixosHost(make_machine(image=IMAGE), tmp_path)


NGINX = """
  imports = [ "${modulesPath}/services/web-servers/nginx" ];
  services.nginx.enable = true;
  services.nginx.virtualHosts."example.org".root = "/srv/ROOT";
  systemd.tmpfiles.rules = [
    "d /srv/one 0755 root root -" "f /srv/one/index.html 0644 root root - first"
    "d /srv/two 0755 root root -" "f /srv/two/index.html 0644 root root - second"
  ];
"""


def test_nginx_serves_a_virtual_host_and_another_one_after_a_change(host: NixosHost) -> None:
    machine = host.machine
    page = "curl --fail --silent --show-error --header 'Host: example.org' http://localhost/"
    before = take_snapshot(machine)

    host.switch(NGINX.replace("ROOT", "one"))
    machine.wait_for_unit("nginx.service")
    machine.wait_for_open_port(80)
    assert machine.succeed(page) == "first"

    host.switch(NGINX.replace("ROOT", "two"))
    machine.wait_until_succeeds(f'test "$({page})" = second', timeout=20)

    host.run("deactivate")
    machine.fail(page)
    assert_same(before, take_snapshot(machine), ignore=SHADOW_BACKUPS)


POSTGRESQL = """
  imports = [ "${modulesPath}/services/databases/postgresql.nix" ];
  # Debian's own, which would take the port.
  systemd.maskedUnits = [ "postgresql@15-main.service" ];
  services.postgresql = {
    enable = true;
    ensureDatabases = [ "app" ];
    ensureUsers = [ { name = "app"; ensurePermissions."DATABASE app" = "ALL PRIVILEGES"; } ];
    extraConfig = "work_mem = SIZE";
  };
"""


def test_postgresql_makes_databases_and_keeps_data_over_a_rollback_and_a_redeploy(host: NixosHost) -> None:
    machine = host.machine
    psql = "sudo -u postgres psql --no-align --tuples-only"

    host.switch(POSTGRESQL.replace("SIZE", "'5MB'"))
    machine.wait_for_unit("postgresql.service")
    assert machine.succeed(f"{psql} --command 'show work_mem'").strip() == "5MB"
    assert "app" in machine.succeed(f"{psql} --command 'select datname from pg_database'").split()
    assert "app" in machine.succeed(f"{psql} --command 'select usename from pg_user'").split()
    machine.succeed(f"{psql} app --command 'create table t (n int)' --command 'insert into t values (42)'")

    host.switch(POSTGRESQL.replace("SIZE", "'6MB'"))
    machine.wait_for_unit("postgresql.service")
    assert machine.succeed(f"{psql} --command 'show work_mem'").strip() == "6MB"
    host.run("rollback")
    machine.wait_for_unit("postgresql.service")
    assert machine.succeed(f"{psql} --command 'show work_mem'").strip() == "5MB"
    host.run("deactivate")
    machine.fail(f"{psql} --command 'select 1'")
    host.switch(POSTGRESQL.replace("SIZE", "'7MB'"))
    machine.wait_for_unit("postgresql.service")
    assert machine.succeed(f"{psql} app --command 'select n from t'").strip() == "42"
