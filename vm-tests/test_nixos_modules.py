"""Unmodified modules of a real nixpkgs on a stock distribution, with the distribution's own programs.

They need a nixpkgs from outside of the project: `NIXPKGS=/path/of/nixpkgs vm-tests/run test_nixos_modules.py`.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
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

    def psql(statement: str, database: str = "postgres") -> str:
        return f"sudo -u postgres psql --no-align --tuples-only {database} --command {shlex.quote(statement)}"

    host.switch(POSTGRESQL.replace("SIZE", "'5MB'"))
    machine.wait_for_unit("postgresql.service")
    assert machine.succeed(psql("show work_mem")).strip() == "5MB"
    assert "app" in machine.succeed(psql("select datname from pg_database")).split()
    assert "app" in machine.succeed(psql("select usename from pg_user")).split()
    machine.succeed(psql("create table t (n int)", "app"), psql("insert into t values (42)", "app"))

    host.switch(POSTGRESQL.replace("SIZE", "'6MB'"))
    machine.wait_for_unit("postgresql.service")
    assert machine.succeed(psql("show work_mem")).strip() == "6MB"
    host.run("rollback")
    machine.wait_for_unit("postgresql.service")
    assert machine.succeed(psql("show work_mem")).strip() == "5MB"
    host.run("deactivate")
    machine.fail(psql("select 1"))
    host.switch(POSTGRESQL.replace("SIZE", "'7MB'"))
    machine.wait_for_unit("postgresql.service")
    assert machine.succeed(psql("select n from t", "app")).strip() == "42"


@dataclass(frozen=True)
class Service:
    """A service that a module runs: with each of two ports, the command says whether it answers there."""

    unit: str
    configuration: str
    first: str
    second: str
    probe: str
    leaves: tuple[str, ...] = ()


def tcp(say: str, answer: str) -> str:
    """Gives a command that says something to a server on port VALUE and looks for its answer."""
    return f"printf '{say}' | timeout 10 nc -w 3 localhost VALUE | grep --quiet --text '{answer}'"


DNS = """python3 -I -c '
import socket, struct
query = struct.pack(">6H", 1, 256, 1, 0, 0, 0) + b"\\4host\\4test\\0" + struct.pack(">2H", 1, 1)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.sendto(query, ("127.0.0.1", VALUE))
assert s.recv(512)[-4:] == bytes([10, 1, 2, 3])
'"""

SERVICES = {
    "databases/redis.nix": Service(
        "redis.service",
        "services.redis = { enable = true; port = VALUE; };",
        "6379",
        "6380",
        "redis-cli -p VALUE set k v && test $(redis-cli -p VALUE get k) = v",
    ),
    "databases/memcached.nix": Service(
        "memcached.service",
        "services.memcached = { enable = true; port = VALUE; };",
        "11211",
        "11212",
        tcp("set k 0 60 1\\r\\nv\\r\\nget k\\r\\nquit\\r\\n", "V.LUE k 0 1"),
    ),
    "misc/beanstalkd.nix": Service(
        "beanstalkd.service",
        "services.beanstalkd = { enable = true; listen.port = VALUE; };",
        "11300",
        "11301",
        tcp("put 0 0 10 1\\r\\nx\\r\\nquit\\r\\n", "INSERTED"),
    ),
    "monitoring/prometheus/exporters.nix": Service(
        "prometheus-node-exporter.service",
        # Debian has no group called `nobody`.
        'services.prometheus.exporters.node = { enable = true; group = "nogroup"; port = VALUE; };',
        "9100",
        "9101",
        "curl --fail --silent http://localhost:VALUE/metrics | grep --quiet ^node_",
    ),
    "networking/haproxy.nix": Service(
        "haproxy.service",
        """services.haproxy = { enable = true; config = ''
          defaults
            mode http
            timeout client 5s
            timeout server 5s
            timeout connect 5s
          frontend web
            bind *:VALUE
            http-request return status 200 content-type text/plain string found
        ''; };""",
        "8081",
        "8082",
        "test $(curl --fail --silent http://localhost:VALUE/) = found",
    ),
    "network-filesystems/rsyncd.nix": Service(
        "rsyncd.service",
        """services.rsyncd = {
          enable = true;
          modules.data = { path = "/etc/ssl"; comment = "shared"; };
          port = VALUE;
        };""",
        "873",
        "1873",
        "rsync --port VALUE rsync://localhost/ | grep --quiet shared",
    ),
    "audio/icecast.nix": Service(
        "icecast.service",
        """services.icecast = {
          enable = true;
          hostname = "radio.example.org";
          admin.password = "secret";
          listen.port = VALUE;
        };""",
        "8000",
        "8001",
        "curl --fail --silent http://localhost:VALUE/status-json.xsl | grep --quiet icestats",
    ),
    "networking/dnsmasq.nix": Service(
        "dnsmasq.service",
        """services.dnsmasq = {
          enable = true;
          resolveLocalQueries = false;
          extraConfig = "port=VALUE\\naddress=/host.test/10.1.2.3";
        };""",
        "5353",
        "5354",
        DNS,
        # Its script makes them itself.
        leaves=("dnsmasq-conf.conf", "dnsmasq-resolv.conf"),
    ),
    "networking/ssh/sshd.nix": Service(
        "ssh.service",
        "services.openssh = { enable = true; ports = [ VALUE ]; };",
        "2222",
        "2223",
        "ssh-keyscan -T 5 -p VALUE localhost | grep --quiet ssh-ed25519",
    ),
    "security/tor.nix": Service(
        "tor.service",
        """services.tor = {
          enable = true;
          client = { enable = true; privoxy.enable = false; socksListenAddress = "127.0.0.1:VALUE"; };
        };""",
        "9050",
        "9060",
        "test $(printf '\\005\\001\\000' | timeout 10 nc -w 3 127.0.0.1 VALUE | od -An -tx1 | tr -d ' \\n') = 0500",
    ),
}


@pytest.mark.parametrize("module", SERVICES)
def test_service_answers_is_reconfigured_and_goes_away(host: NixosHost, module: str) -> None:
    machine, service = host.machine, SERVICES[module]

    def configuration(value: str) -> str:
        imports = f'imports = [ "${{modulesPath}}/services/{module}" ];'
        return f"{imports}\n{service.configuration.replace('VALUE', value)}"

    def probe(value: str) -> str:
        return service.probe.replace("VALUE", value)

    before = take_snapshot(machine)
    first, second = service.first, service.second
    host.switch(configuration(first))
    machine.wait_for_unit(service.unit)
    machine.wait_until_succeeds(probe(first), timeout=30)

    host.switch(configuration(second))
    machine.wait_until_succeeds(probe(second), timeout=30)
    machine.fail(probe(first))

    host.run("deactivate")
    machine.fail(probe(second))
    assert_same(before, take_snapshot(machine), ignore=(*SHADOW_BACKUPS, *service.leaves))
