"""The little of QEMU's machine protocol that the driver needs."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Callable
from typing import Any

from base.errors import MachineError

_LIMIT = 60.0
_TRANSFER_LIMIT = 300.0


class Qmp:
    """A connection to QEMU's monitor."""

    def __init__(self, line: socket.socket) -> None:
        """Uses a connected socket, and leaves the negotiation mode."""
        self._line = line
        self._line.settimeout(_LIMIT)
        self._buffer = b""
        self.events: list[dict[str, Any]] = []
        self._message()
        self.execute("qmp_capabilities")

    def _message(self) -> dict[str, Any]:
        while b"\n" not in self._buffer:
            try:
                data = self._line.recv(1 << 16)
            except OSError as error:
                raise MachineError(f"QEMU's monitor does not answer: {error}") from error
            if not data:
                raise MachineError("QEMU has closed its monitor")
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        return message

    def execute(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """Runs a command and returns its value."""
        self._line.sendall(json.dumps({"execute": command, "arguments": arguments or {}}).encode() + b"\n")
        while True:
            message = self._message()
            if "event" in message:
                self.events.append(message)
            elif "error" in message:
                raise MachineError(f"QEMU refuses `{command}`: {message['error']['desc']}")
            elif "return" in message:
                return message["return"]

    def wait_for_status(self, command: str, wanted: tuple[str, ...], refused: tuple[str, ...] = ()) -> None:
        """Repeats a query until its `status` is one of `wanted`."""
        deadline = time.monotonic() + _TRANSFER_LIMIT
        while (status := self.execute(command).get("status")) not in wanted:
            if status in refused or time.monotonic() > deadline:
                raise MachineError(f"QEMU's `{command}` is `{status}`, not `{wanted[0]}`")
            time.sleep(0.002)

    def wait_for_event(self, name: str, device: str) -> None:
        """Waits until QEMU tells of an event of a device."""
        while True:
            for event in self.events:
                if event["event"] == name and event.get("data", {}).get("device") == device:
                    self.events.remove(event)
                    return
            message = self._message()
            if "event" in message:
                self.events.append(message)

    def next_event(self, accepts: Callable[[dict[str, Any]], bool], timeout: float) -> dict[str, Any] | None:
        """Returns the first event, of those told already too, that is accepted; none at the time limit."""
        deadline = time.monotonic() + timeout
        while True:
            for event in self.events:
                if accepts(event):
                    self.events.remove(event)
                    return event
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            if b"\n" in self._buffer or select.select([self._line], [], [], left)[0]:
                message = self._message()
                if "event" in message:
                    self.events.append(message)

    def close(self) -> None:
        """Closes the connection."""
        self._line.close()
