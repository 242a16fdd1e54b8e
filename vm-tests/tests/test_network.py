"""Machines of one test reach each other by name, and not when they are blocked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from api.systemd_api import SystemdMachine
from base.errors import MachineError, RequestedAssertionFailed
from conftest import MakeMachine
from kinds.agent_machine import AgentMachine
from lines.network import Network, default_interface

MakeNetwork = Callable[..., Network]


@pytest.mark.kinds("container", "uml", "qemu")
@pytest.mark.timeout(1800)
def test_machines_reach_each_other_by_name(make_network: MakeNetwork, make_machine: MakeMachine) -> None:
    network = make_network("server", "client")
    server, client = make_machine("server", network=network), make_machine("client", network=network)
    server.succeed("mkdir /srv/www; seq 200000 >/srv/www/page")
    has_ipv6 = server.execute("test -e /proc/net/if_inet6")[0] == 0
    listen = "--bind :: 8000" if has_ipv6 else "8000"
    server.execute(f"exec python3 -m http.server --directory /srv/www {listen}", check_output=False)
    server.wait_for_open_port(8000)
    assert client.succeed("hostname; getent ahostsv4 server | head -n 1") == "client\n192.168.1.2     STREAM server\n"
    for address in ("server", "192.168.1.2", *(["[2001:db8:1::2]"] if has_ipv6 else [])):
        assert client.succeed(f"curl -fsS http://{address}:8000/page | wc -l") == "200000\n"

    server.block()
    client.fail("curl -fsS --max-time 3 http://server:8000/page")
    server.succeed("curl -fsS http://localhost:8000/page >/dev/null")
    server.unblock()
    client.wait_until_succeeds("curl -fsS --max-time 3 http://server:8000/page >/dev/null", timeout=60)

    # So does a node of NixOS that wants no IPv6; it has its address again all the same.
    client.succeed("! test -e /proc/net/if_inet6 || sysctl -qw net.ipv6.conf.all.disable_ipv6=1")
    client.reboot()
    client.succeed("curl -fsS http://server:8000/page >/dev/null")


@pytest.mark.kinds("container", "uml")
@pytest.mark.timeout(600)
def test_machines_reach_those_of_their_networks(make_network: MakeNetwork, make_machine: MakeMachine) -> None:
    wiring = {
        "a": [default_interface(1)],
        "b": [default_interface(2), default_interface(2, vlan=7)],
        "c": [default_interface(3, vlan=7)],
    }
    network = make_network("a", "b", "c", wiring=wiring)
    a, b, c = (make_machine(name, network=network) for name in ("a", "b", "c"))
    c.execute("exec python3 -m http.server 8000", check_output=False)
    c.wait_for_open_port(8000)
    b.succeed("curl -fsS http://c:8000/ >/dev/null")
    assert "inet 192.168.7.2/24" in b.succeed("ip address show dev eth2")
    # On another wire, with an address of that network.
    a.succeed("ip address add 192.168.7.1/24 dev eth1")
    a.fail("curl -fsS --max-time 3 http://c:8000/")

    b.block()
    b.fail("curl -fsS --max-time 3 http://c:8000/")


@pytest.mark.kinds("container")
def test_a_machine_without_a_network_can_not_be_blocked(machine: SystemdMachine) -> None:
    with pytest.raises(MachineError, match="no network"):
        machine.block()


@pytest.mark.kinds("uml")
def test_console_takes_what_is_typed(machine: SystemdMachine) -> None:
    machine.execute('read line </dev/tty0; echo "$line" >/tmp/typed', check_output=False)
    machine.wait_until_succeeds("pgrep -f 'read line'")
    assert isinstance(machine, AgentMachine)
    machine.send_console("hello there\n")
    machine.wait_until_succeeds("grep -qx 'hello there' /tmp/typed", timeout=20)
    with pytest.raises(RequestedAssertionFailed):
        machine.wait_for_console_text("never typed", timeout=0.2)
