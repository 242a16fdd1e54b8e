"""nixpkgs's own tests, unmodified, on Debian with its own programs; see docs/testing.md for those that can't pass.

They need a nixpkgs from outside of the project: `NIXPKGS=/path/of/nixpkgs vm-tests/run test_nixpkgs_tests.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from program.host import VM_TESTS

_IMAGE = "debian-12-more"
_NIXPKGS = os.environ.get("NIXPKGS", "")

# Those that pass with nixpkgs 24.11, as FILE or FILE:TEST.
_TESTS = (
    "aria2",
    "babeld",
    "bind",
    "cfssl",
    "dnsdist:base",
    "env",
    "etcd/etcd",
    "fail2ban",
    "gitdaemon",
    "gobgpd",
    "hitch/default",
    "incron",
    "keepalived",
    "lighttpd",
    "memcached",
    "networking-proxy",
    "nghttpx",
    "nginx",
    "nginx-auth",
    "nginx-etag-compression",
    "nginx-globalredirect",
    "nginx-mime",
    "nginx-pubhtml",
    "nginx-redirectcode",
    "nginx-unix-socket",
    "nginx-variants:nginxMainline",
    "nginx-variants:nginxStable",
    "oddjobd",
    "pdns-recursor",
    "pgbouncer",
    "prometheus-exporters:bind",
    "prometheus-exporters:mysqld",
    "prometheus-exporters:nginx",
    "prometheus-exporters:node",
    "prometheus-exporters:postgres",
    "prometheus-exporters:process",
    "prometheus-exporters:redis",
    "prometheus-exporters:varnish",
    "prometheus/federation",
    "prometheus/remote-write",
    "redis:redis",
    "restart-by-activation-script",
    "rsyncd",
    "simple",
    "snmpd",
    "spiped",
    "syncthing",
    "syncthing-init",
    "syncthing-no-settings",
    "systemd-analyze",
    "systemd-escaping",
    "systemd-journal",
    "systemd-no-tainted",
    "tinyproxy",
    "tor",
    "ucarp",
    "unbound",
    "vsftpd",
    "xandikos",
    pytest.param("atd", marks=pytest.mark.slow),
    pytest.param("endlessh", marks=pytest.mark.slow),
)


@pytest.mark.parametrize("test", _TESTS)
def test_of_nixpkgs_passes(tmp_path: Path, test: str) -> None:
    if not _NIXPKGS:
        pytest.skip("no nixpkgs at hand; run with: NIXPKGS=/path/of/nixpkgs vm-tests/run test_nixpkgs_tests.py")
    name, _, chosen = test.partition(":")
    file = Path(_NIXPKGS) / f"nixos/tests/{name}.nix"
    if not file.exists():
        pytest.skip(f"{_NIXPKGS} has no test {name}; that of nixpkgs 24.11 has it")
    argv = [sys.executable, str(VM_TESTS), "nixos_test", str(file), "--nixpkgs", _NIXPKGS, "--for-nixos"]
    options = ["--image", _IMAGE, "-o", str(tmp_path), *(["--test", chosen] if chosen else [])]
    done = subprocess.run([*argv, *options], capture_output=True, text=True, timeout=600, check=False)
    if done.returncode == 77:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
