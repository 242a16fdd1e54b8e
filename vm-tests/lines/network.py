"""The networks of a test's machines, of any kind: each is a hub in the driver that hands a frame to all other ports.

Machines are numbered from their sorted names, as in NixOS's tests. They are in network 1 where a test does not say
otherwise: ethI is the I-th network that a machine is in, with 192.168.NETWORK.N/24 and 2001:db8:NETWORK::N/64, and
/etc/hosts names all of them.
"""

from __future__ import annotations

import itertools
import os
import selectors
import shlex
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

_FRAME = 1 << 16
_MOST = 254
# As the distribution's own means say when they have set up a network. The target can't be started by itself.
_REACHED = (
    "systemd-run --quiet --collect --property=Type=oneshot --property=Before=network.target"
    " --property=Wants='network.target network-online.target' true"
)
_MARK = "# the machines of this test"


@dataclass(frozen=True)
class Interface:
    """What a machine has in one of the networks."""

    vlan: int
    addresses: tuple[str, ...]
    """With the lengths of their prefixes."""
    routes: tuple[str, ...] = ()
    """As `ip route replace` takes them, without the device."""


def default_interface(number: int, vlan: int = 1) -> Interface:
    """Returns what the machine of that number has where nothing else is said. Pure."""
    return Interface(vlan, (f"192.168.{vlan}.{number}/24", f"2001:db8:{vlan}::{number}/64"))


class Port:
    """Where one machine is plugged into one network."""

    def __init__(self, number: int, interface: Interface) -> None:
        """Makes the cable; `line` is the machine's end of it, a packet a frame."""
        self.interface = interface
        self.mac = f"52:54:00:12:{interface.vlan:02x}:{number:02x}"
        self.blocked = False
        self._ours, self.line = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ours.setblocking(False)
        self.device = self._ours.fileno()

    def close(self) -> None:
        """Unplugs it."""
        if self.device != self._ours.fileno():
            os.close(self.device)
        self._ours.close()
        self.line.close()

    def setup_lines(self, device: str, name: str) -> list[str]:
        """Returns how the machine gives its device the name and the addresses."""
        return [
            f"[ -e /sys/class/net/{name} ] || {{ ip link set {device} down; ip link set {device} name {name}; }}",
            f"ip link set {name} address {self.mac}",
            f"ip link set {name} up",
            *(_where_known(text, name, f"ip address replace {text} dev {name}") for text in self.interface.addresses),
            *(_where_known(text, name, f"ip route replace {text} dev {name}") for text in self.interface.routes),
        ]


def _where_known(address: str, device: str, command: str) -> str:
    """A kernel may be without IPv6, or a node may have turned it off. Addresses are ours, and need not be asked for."""
    if ":" not in address:
        return command
    off = f'[ "$(cat /proc/sys/net/ipv6/conf/{device}/disable_ipv6 2>/dev/null)" != 0 ]'
    return f"{off} || {command}{' nodad' if command.startswith('ip address') else ''}"


class Network:
    """The hubs. Frames of a port that is blocked go nowhere, and none come to it."""

    def __init__(
        self,
        names: Iterable[str],
        wiring: Mapping[str, Sequence[Interface]] | None = None,
        hosts: Sequence[tuple[str, Sequence[str]]] | None = None,
    ) -> None:
        """Makes the ports of the machines of these names; frames flow until `close`.

        `wiring` says what machines have, in place of the default; `hosts` the lines of /etc/hosts.
        """
        ordered = sorted(names)
        if len(ordered) > _MOST:
            raise ValueError(f"a network has at most {_MOST} machines")
        numbers = {name: number for number, name in enumerate(ordered, 1)}
        wired = {name: [default_interface(number)] for name, number in numbers.items()} | dict(wiring or {})
        self.ports = {name: [Port(numbers[name], interface) for interface in wired[name]] for name in ordered}
        self._hosts = hosts or [
            (address.partition("/")[0], [name])
            for name in ordered
            for interface in wired[name][:1]
            for address in interface.addresses
        ]
        self._woken, self._waker = os.pipe()
        self._closing = False
        self._thread = threading.Thread(target=self._run, daemon=True, name="network")
        self._thread.start()

    def setup_script(self, name: str, devices: Sequence[str]) -> str:
        """Returns what a machine runs after each boot, for the devices that its kind gives it."""
        lines = [f"{address}\\t{' '.join(names)}" for address, names in self._hosts]
        # The name of the machine itself is no longer that of its loopback.
        append = f"printf '%b\\n' {shlex.join([_MARK, *lines])} >>/etc/hosts"
        plugged = zip(self.ports[name], devices, strict=True)
        return "\n".join(
            [
                "set -e",
                *(line for i, (port, device) in enumerate(plugged, 1) for line in port.setup_lines(device, f"eth{i}")),
                f"echo {shlex.quote(name)} | tee /etc/hostname >/dev/null; hostname -F /etc/hostname",
                f"grep -qxF {shlex.quote(_MARK)} /etc/hosts || {{ sed -i '/^127.0.1.1/d' /etc/hosts; {append}; }}",
                _REACHED,
            ]
        )

    def attach(self, port: Port, device: int) -> None:
        """Has frames of a port come from, and go to, a device that the driver holds, not a socket. Owns `device`."""
        port.device = device
        os.write(self._waker, b"a")

    def _all(self) -> Iterator[Port]:
        return itertools.chain.from_iterable(self.ports.values())

    def _run(self) -> None:
        while not self._closing:
            with selectors.DefaultSelector() as selector:
                selector.register(self._woken, selectors.EVENT_READ)
                for port in self._all():
                    selector.register(port.device, selectors.EVENT_READ, port)
                self._pump(selector)

    def _pump(self, selector: selectors.BaseSelector) -> None:
        while True:
            for key, _ in selector.select():
                if key.data is None:
                    os.read(self._woken, _FRAME)
                    return
                self._forward(key.data)

    def _forward(self, sender: Port) -> None:
        try:
            frame = os.read(sender.device, _FRAME)
        except OSError:
            return  # nothing after all
        if sender.blocked:
            return
        for port in self._all():
            if port is not sender and not port.blocked and port.interface.vlan == sender.interface.vlan:
                try:
                    os.write(port.device, frame)
                except OSError:
                    continue  # a network loses what nobody takes

    def close(self) -> None:
        """Ends the network."""
        self._closing = True
        os.write(self._waker, b"c")
        self._thread.join()
        for port in self._all():
            port.close()
        os.close(self._woken)
        os.close(self._waker)
