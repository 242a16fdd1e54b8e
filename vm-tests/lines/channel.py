"""The driver's end of the line to the agent in a machine."""

from __future__ import annotations

import base64
import json
import select
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from base.errors import MachineError
from base.process import Completed

_ANSWER_LIMIT = 60.0
"""Seconds that the agent may take beyond the command's own limit."""

_PIECE = 1500
_TYPED = 512


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
                    raise self.rebooted(message)
                self.boot_id = str(message["ready"])
                self._request(request, deadline)
            started = started or message.get("started") == self._sequence
            if "garbled" in message:
                raise ChannelLost(f"the agent could not read a request ({message['garbled']} bytes arrived)")
            if message.get("id") == self._sequence:
                out, err = (base64.b64decode(message[key]) for key in ("out", "err"))
                return Completed(message["status"], out, err, message["timed_out"])

    def interact(self, argv: Sequence[str], env: Mapping[str, str], size: tuple[int, int] | None) -> Interaction:
        """Starts a command whose input and output are passed on while it runs; with a size, on a terminal."""
        self._sequence += 1
        request = {"id": self._sequence, "argv": argv, "env": env, "interactive": True, "size": size}
        deadline = time.monotonic() + _ANSWER_LIMIT
        self._request(request, deadline)
        # What came together with the request would be taken for another one.
        while (message := self._message(deadline)).get("started") != self._sequence:
            if "ready" in message:
                raise self.rebooted(message)
        return Interaction(self, self._sequence)

    def rebooted(self, message: dict[str, Any]) -> ChannelLost:
        """Keeps the first word of another boot for `wait_ready`; returns the error to raise."""
        self._next_boot = str(message["ready"])
        return ChannelLost("the machine rebooted")

    def set_clock(self, seconds: float) -> None:
        """Gives the machine the time of day, without starting a program in it."""
        self.tell({"clock": seconds})
        deadline = time.monotonic() + _ANSWER_LIMIT
        while "clock" not in self._message(deadline):
            pass

    def fileno(self) -> int:
        """Returns the descriptor of the line."""
        return self._line.fileno()

    def tell(self, message: dict[str, Any]) -> None:
        """Sends a short message."""
        self._write(json.dumps(message).encode() + b"\n", time.monotonic() + _ANSWER_LIMIT)

    def arrived(self) -> Iterator[dict[str, Any]]:
        """Returns the messages that are there already."""
        while b"\n" in self._buffer or select.select([self._line], [], [], 0)[0]:
            yield self._message(time.monotonic() + _ANSWER_LIMIT)
        if not self._is_alive():
            raise ChannelLost("the machine is gone")

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


class Interaction:
    """The far end of a terminal, through the agent."""

    def __init__(self, channel: Channel, number: int) -> None:
        """Is about the channel's request of this number."""
        self._channel = channel
        self._number = number
        self._untyped = b""
        self._input_ends = self._under_way = self._ended = False

    def watched(self) -> list[int]:
        """Returns the line."""
        return [self._channel.fileno()]

    def take(self) -> bytes | None:
        """Returns what was shown; None once the command has ended."""
        if self._ended:
            return None
        shown = b""
        for message in self._channel.arrived():
            if "ready" in message:
                self._ended = True
                raise self._channel.rebooted(message)
            shown += base64.b64decode(message.get("out", ""))
            if "took" in message:
                self._under_way = False
                self._type()
            if message.get("id") == self._number:
                self._ended = True
                break
        return None if self._ended and not shown else shown

    def give(self, data: bytes) -> None:
        """Types, as soon as what was typed before has been taken; without data, ends the input."""
        self._untyped += data
        self._input_ends = self._input_ends or not data
        self._type()

    def _type(self) -> None:
        if self._under_way or self._ended:
            return
        piece, self._untyped = self._untyped[:_TYPED], self._untyped[_TYPED:]
        if piece or self._input_ends:
            self._under_way = True
            self._input_ends = self._input_ends and bool(piece)
            self._channel.tell({"in": base64.b64encode(piece).decode()})

    def resize(self, rows: int, columns: int) -> None:
        """Sets the terminal's size."""
        self._channel.tell({"size": [rows, columns]})

    def close(self) -> None:
        """Ends the command if it still runs, and waits for that."""
        if self._ended:
            return
        self._channel.tell({"hangup": True})
        deadline = time.monotonic() + _ANSWER_LIMIT
        while not self._ended and time.monotonic() < deadline:
            select.select([self._channel.fileno()], [], [], 0.2)
            self.take()
