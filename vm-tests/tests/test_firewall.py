"""The packet filter of a configuration: what it opens, what it leaves alone, and that nobody is locked out by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from images.rootimage import lacks_root
from judges.snapshot import assert_same, take_snapshot
from program.host import Host

IMAGE = "debian-12-services"
LACKING = lacks_root(IMAGE)

pytestmark = pytest.mark.skipif(LACKING is not None, reason=str(LACKING))

# Another host, on the other end of a cable.
NEIGHBOUR = (
    "ip netns add other",
    "ip link add cable type veth peer name eth0 netns other",
    "ip address add 10.9.0.1/24 dev cable && ip link set cable up",
    "ip -n other address add 10.9.0.2/24 dev eth0 && ip -n other link set eth0 up",
)


@pytest.fixture
def host(make_machine: Callable[..., SystemdMachine], tmp_path: Path) -> Host:
    """A Debian with a neighbour, servers on three ports, and rules of its own."""
    host = Host(make_machine(image=IMAGE), tmp_path)
    host.machine.succeed(
        *NEIGHBOUR,
        *(f"systemd-run --quiet --unit=web{n} python3 -m http.server {n}" for n in (8001, 8002, 8003)),
    )
    for port in (8001, 8002, 8003):
        host.machine.wait_for_open_port(port)
    rules = "chain input { type filter hook input priority 10; tcp dport 8003 drop; };"
    host.machine.succeed(f"nft 'table inet theirs {{ {rules} }}'")
    return host


def from_outside(port: int) -> str:
    """Gives a command with which the neighbour asks a server."""
    return (
        f"ip netns exec other curl --fail --silent --show-error --max-time 3 --output /dev/null http://10.9.0.1:{port}/"
    )


def opening(*ports: int, more: str = "") -> str:
    """Gives a configuration that opens ports."""
    return f"""{{
      nixos-compat.firewall.enable = true;
      networking.firewall.allowedTCPPorts = [ {" ".join(map(str, ports))} ];
      {more}
    }}"""


def test_only_what_is_open_comes_in_and_other_tables_stay(host: Host) -> None:
    machine = host.machine
    before, theirs = take_snapshot(machine), machine.succeed("nft list ruleset")
    machine.succeed(from_outside(8001), from_outside(8002))

    host.switch(opening(8001, 8003))
    machine.succeed(from_outside(8001), "ip netns exec other ping -c 1 -W 3 10.9.0.1 || ! command -v ping")
    machine.fail(from_outside(8002))
    # What others drop is not let in.
    machine.fail(from_outside(8003))
    machine.succeed("curl --fail --silent --output /dev/null http://localhost:8002/")
    assert theirs in machine.succeed("nft list ruleset")
    assert "No changes" in host.switch(opening(8001, 8003))

    # A change replaces the table at once; a connection that is open stays open.
    machine.succeed(
        "systemctl stop web8001 && touch /run/said",
        "systemd-run --quiet --unit=listener sh -c 'exec nc -l 10.9.0.1 8001 >/run/heard'",
    )
    machine.wait_until_succeeds("ss -Hltn sport = :8001 | grep 10.9.0.1", timeout=20)
    machine.succeed(
        "systemd-run --quiet --unit=talker ip netns exec other sh -c 'tail -f /run/said | nc 10.9.0.1 8001'",
        "echo first >>/run/said",
    )
    machine.wait_until_succeeds("grep first /run/heard", timeout=20)
    output = host.switch(opening(8002))
    assert "reloading the following units: system-manager-firewall.service" in output
    machine.succeed("echo second >>/run/said", from_outside(8002))
    machine.wait_until_succeeds("grep second /run/heard", timeout=20)

    # The distribution's own rules begin by removing all others.
    machine.succeed("systemctl start nftables.service && systemctl reload nftables.service")
    machine.wait_until_succeeds("nft list table inet system-manager", timeout=20)
    machine.succeed("systemctl stop nftables.service")

    machine.succeed("nft -f - <<END\n" + theirs + "\nEND")
    host.run("deactivate")
    machine.succeed(from_outside(8002))
    assert machine.succeed("nft list ruleset") == theirs
    assert_same(before, take_snapshot(machine))


def test_without_having_been_asked_for_it_has_no_effect_and_says_so(host: Host) -> None:
    toplevel = host.bring("{ networking.firewall.allowedTCPPorts = [ 8001 ]; }")
    host.run("register", toplevel)
    assert "networking.firewall.allowedTCPPorts" in host.run("plan", toplevel)
    host.run("activate", toplevel)
    host.machine.succeed(from_outside(8002))
    host.machine.fail("nft list table inet system-manager")


REFUSALS = {
    "a rule that nft does not know": (
        "true",
        """networking.firewall.extraInputRules = "tcp dport nowhere accept";""",
        "nft does not take these rules",
    ),
    "sshd listens elsewhere": (
        "echo Port 2222 >/etc/ssh/sshd_config.d/port.conf && systemctl start ssh.service",
        "",
        "sshd listens on port 2222, which these rules close",
    ),
    "ssh is let in through another port": (
        "systemctl start ssh.service",
        "services.openssh.ports = [ 2222 ];",
        "sshd listens on port 22, which these rules close",
    ),
    "there is no nft": ("mv /usr/sbin/nft /usr/sbin/nft.away", "", "nftables"),
}


@pytest.mark.parametrize("why", REFUSALS)
def test_rules_that_would_do_harm_are_refused_before_anything_changes(host: Host, why: str) -> None:
    machine = host.machine
    prepare, more, refusal = REFUSALS[why]
    machine.succeed(prepare)
    host.refuses(opening(80, more=more), refusal)
    machine.succeed(from_outside(8002))


def test_the_rules_are_there_after_a_boot(make_machine: Callable[..., SystemdMachine], tmp_path: Path) -> None:
    host = Host(make_machine(image=IMAGE), tmp_path)
    machine = host.machine
    host.switch(opening(80))
    machine.reboot()
    machine.wait_for_unit("system-manager-firewall.service")
    machine.succeed("nft list table inet system-manager | grep 'policy drop'")
    machine.fail("journalctl --boot --quiet --grep 'ordering cycle'")
