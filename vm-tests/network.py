"""A network of machines of any kind: a hub in the driver that hands each frame to all other ports.

Machines are numbered from their sorted names, as in NixOS's tests: eth1 has 192.168.1.N/24 and 2001:db8:1::N/64, and
/etc/hosts names all of them.
"""

from __future__ import annotations

import os
import selectors
import shlex
import socket
import threading
from collections.abc import Iterable

_FRAME = 1 << 16
_MOST = 254


class Port:
    """Where one machine is plugged in."""

    def __init__(self, name: str, number: int, names: list[str]) -> None:
        """Makes the cable; `line` is the machine's end of it, a packet a frame."""
        self.name, self.number = name, number
        self.blocked = False
        self._ours, self.line = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ours.setblocking(False)
        self.device = self._ours.fileno()
        self._hosts = [(name, index) for index, name in enumerate(names, 1)]

    def close(self) -> None:
        """Unplugs it."""
        if self.device != self._ours.fileno():
            os.close(self.device)
        self._ours.close()
        self.line.close()

    def setup_script(self, device: str) -> str:
        """Returns what the machine runs after each boot, for the device that its kind gives it."""
        lines = [
            line
            for name, number in self._hosts
            for line in (f"192.168.1.{number}\\t{name}", f"2001:db8:1::{number}\\t{name}")
        ]
        # The name of the machine itself is no longer that of its loopback.
        names = f"sed -i '/^127.0.1.1/d' /etc/hosts; printf '%b\\n' {shlex.join(lines)} >>/etc/hosts"
        hosts = f"grep -qF 2001:db8:1:: /etc/hosts || {{ {names}; }}"
        rename = f"ip link set {device} down; ip link set {device} name eth1"
        mac = f"52:54:00:12:01:{self.number:02x}"
        return "\n".join(
            [
                "set -e",
                f"[ -e /sys/class/net/eth1 ] || {{ {rename}; }}",
                f"ip link set eth1 address {mac}",
                "ip link set eth1 up",
                f"ip address replace 192.168.1.{self.number}/24 dev eth1",
                f"ip address replace 2001:db8:1::{self.number}/64 dev eth1 nodad",
                f"echo {shlex.quote(self.name)} | tee /etc/hostname >/dev/null; hostname -F /etc/hostname",
                hosts,
            ]
        )


class Network:
    """A hub with a port for each name. Frames of a port that is blocked go nowhere, and none come to it."""

    def __init__(self, names: Iterable[str]) -> None:
        """Makes the ports; frames flow until `close`."""
        ordered = sorted(names)
        if len(ordered) > _MOST:
            raise ValueError(f"a network has at most {_MOST} machines")
        self.ports = {name: Port(name, number, ordered) for number, name in enumerate(ordered, 1)}
        self._woken, self._waker = os.pipe()
        self._closing = False
        self._thread = threading.Thread(target=self._run, daemon=True, name="network")
        self._thread.start()

    def attach(self, port: Port, device: int) -> None:
        """Has frames of a port come from, and go to, a device that the driver holds, not a socket. Owns `device`."""
        port.device = device
        os.write(self._waker, b"a")

    def _run(self) -> None:
        while not self._closing:
            with selectors.DefaultSelector() as selector:
                selector.register(self._woken, selectors.EVENT_READ)
                for port in self.ports.values():
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
        for port in self.ports.values():
            if port is not sender and not port.blocked:
                try:
                    os.write(port.device, frame)
                except OSError:
                    continue  # a network loses what nobody takes

    def close(self) -> None:
        """Ends the network."""
        self._closing = True
        os.write(self._waker, b"c")
        self._thread.join()
        for port in self.ports.values():
            port.close()
        os.close(self._woken)
        os.close(self._waker)
