"""The driver's end of the line to the agent in a machine."""

from __future__ import annotations

import base64
import json
import select
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from errors import MachineError
from process import Completed

_ANSWER_LIMIT = 60.0
"""Seconds that the agent may take beyond the command's own limit."""

_PIECE = 1500


class ChannelLost(MachineError):
    """The other end is gone: closed, silent beyond all limits, or another boot."""


class Channel:
    """A connection over which one command at a time runs in the machine."""

    def __init__(self, line: socket.socket, is_alive: Callable[[], bool]) -> None:
        """Uses `line`; `is_alive` says whether the process behind it still runs."""
        self._line = line
        self._is_alive = is_alive
        self._buffer = b""
        self._sequence = 0
        self.boot_id: str | None = None
        self.allow_reboot = False
        self._next_boot: str | None = None

    def wait_ready(self, timeout: float) -> str:
        """Waits for the agent of a new boot to say its first word; returns the boot's id."""
        if self._next_boot is not None:
            self.boot_id, self._next_boot = self._next_boot, None
            return self.boot_id
        deadline = time.monotonic() + timeout
        while True:
            message = self._message(deadline)
            if "ready" in message and message["ready"] != self.boot_id:
                self.boot_id = str(message["ready"])
                return self.boot_id

    def call(self, argv: Sequence[str], env: Mapping[str, str], timeout: float, *, detach: bool = False) -> Completed:
        """Runs a command in the machine. A reboot before it has started is an error, unless `allow_reboot`."""
        started = False
        self._sequence += 1
        request = {"id": self._sequence, "argv": argv, "env": env, "timeout": timeout, "detach": detach}
        deadline = time.monotonic() + timeout + _ANSWER_LIMIT
        self._request(request, deadline)
        while True:
            message = self._message(deadline)
            if "ready" in message:
                if started or not self.allow_reboot:
                    self._next_boot = str(message["ready"])
                    raise ChannelLost("the machine rebooted")
                self.boot_id = str(message["ready"])
                self._request(request, deadline)
            started = started or message.get("started") == self._sequence
            if "garbled" in message:
                raise ChannelLost(f"the agent could not read a request ({message['garbled']} bytes arrived)")
            if message.get("id") == self._sequence:
                out, err = (base64.b64decode(message[key]) for key in ("out", "err"))
                return Completed(message["status"], out, err, message["timed_out"])

    def _request(self, request: dict[str, Any], deadline: float) -> None:
        """Sends a request, in pieces when it is longer than a serial port's buffer."""
        text = json.dumps(request)
        if len(text) <= _PIECE:
            self._write(text.encode() + b"\n", deadline)
            return
        for begin in range(0, len(text), _PIECE):
            piece = text[begin : begin + _PIECE]
            self._write(json.dumps({"part": piece}).encode() + b"\n", deadline)
            if self._message(deadline).get("took") != len(piece):
                raise ChannelLost("the agent lost a piece of a request")
        self._write(b'{"end": true}\n', deadline)

    def _write(self, data: bytes, deadline: float) -> None:
        rest = memoryview(data)
        while rest:
            self._await(deadline, write=True)
            try:
                rest = rest[self._line.send(rest, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise ChannelLost(f"the machine's line is closed: {error}") from error

    def _message(self, deadline: float) -> dict[str, Any]:
        """Returns the next message; what is no message, such as a line that a crash cut off, is passed over."""
        while True:
            while b"\n" not in self._buffer:
                self._await(deadline, write=False)
                try:
                    data = self._line.recv(1 << 20, socket.MSG_DONTWAIT)
                except BlockingIOError:
                    continue
                except OSError as error:
                    raise ChannelLost(f"the machine's line broke: {error}") from error
                if not data:
                    raise ChannelLost("the machine's line is closed")
                self._buffer += data
            line, self._buffer = self._buffer.split(b"\n", 1)
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if isinstance(message, dict):
                return message

    def _await(self, deadline: float, *, write: bool) -> None:
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise ChannelLost("the machine does not answer")
            reading, writing = ([], [self._line]) if write else ([self._line], [])
            ready = select.select(reading, writing, [], min(left, 0.5))
            if ready[0] or ready[1]:
                return
            if not self._is_alive():
                raise ChannelLost("the machine is gone")

    def close(self) -> None:
        """Closes the line."""
        self._line.close()
