#!/usr/bin/python3
"""Runs commands for the test driver inside a machine: the only file here that is copied into one.

Speaks lines of JSON over a serial port. Says {"ready": BOOT_ID} when it starts; answers {"id", "argv", "env",
"timeout"} with {"started": ID}, then {"id", "status", "timed_out", "out", "err"}, output in base64. A request with
"detach" is answered at once. A serial port drops what is more than its buffer, so a long request comes in pieces of
JSON, {"part": TEXT}, each answered with {"took": LENGTH}, and then {"end": true}.

{"clock": SECONDS} sets the time of day, and is answered with the same.

A request with "interactive" gets its output as {"out"} while it runs, and takes input: {"in"} in base64, nothing for
its end, each answered with {"took": LENGTH}. With a "size" it runs on a terminal, which {"size": [ROWS, COLUMNS]}
changes. {"hangup": true} ends it.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
import tty
from typing import Any

_CHUNK = 1 << 16
_DRAIN = 2.0


def main(port: str) -> None:
    """Serves for ever."""
    while not os.path.exists(port):
        time.sleep(0.05)
    os.chdir("/")
    fd = os.open(port, os.O_RDWR | os.O_NOCTTY)
    if os.isatty(fd):
        tty.setraw(fd)
    with open("/proc/sys/kernel/random/boot_id") as boot_id:
        _send(fd, {"ready": boot_id.read().strip()})
    detached: list[subprocess.Popen[bytes]] = []
    buffer, parts = b"", ""
    while True:
        detached = [process for process in detached if process.poll() is None]
        buffer += _receive(fd)
        *lines, buffer = buffer.split(b"\n")
        for line in lines:
            try:
                request = json.loads(line)
            except ValueError:
                _send(fd, {"garbled": len(line)})
                continue
            if "clock" in request:
                time.clock_settime(time.CLOCK_REALTIME, request["clock"])
                _send(fd, request)
                continue
            if "part" in request:
                parts += request["part"]
                _send(fd, {"took": len(request["part"])})
                continue
            if "end" in request:
                request, parts = json.loads(parts), ""
            if "id" not in request:
                continue  # for a command that has just ended
            _send(fd, {"started": request["id"]})
            if request.get("detach"):
                detached.append(_start(request, subprocess.DEVNULL))
                _send(fd, {"id": request["id"], "status": 0, "timed_out": False, "out": "", "err": ""})
            elif request.get("interactive"):
                _send(fd, {"id": request["id"], "status": _Interaction(fd, request).run()})
            else:
                _send(fd, {"id": request["id"], **_run(request)})


def _send(fd: int, message: dict[str, Any]) -> None:
    data = memoryview(json.dumps(message).encode() + b"\n")
    while data:
        data = data[os.write(fd, data) :]


def _receive(fd: int) -> bytes:
    try:
        data = os.read(fd, _CHUNK)
    except OSError:
        data = b""
    if not data:  # nobody is at the other end
        time.sleep(0.05)
    return data


def _start(request: dict[str, Any], output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        request["argv"],
        env=request["env"],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )


def _run(request: dict[str, Any]) -> dict[str, Any]:
    """Runs a command until it ends, which is not when its pipes close: a daemon may keep them."""
    process = _start(request, subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    written: dict[int, list[bytes]] = {process.stdout.fileno(): [], process.stderr.fileno(): []}
    open_pipes = set(written)
    exit_watch = os.pidfd_open(process.pid)
    deadline = time.monotonic() + request["timeout"]
    ended = timed_out = False
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            timed_out = not ended
            break
        watched = [*open_pipes] if ended else [*open_pipes, exit_watch]
        readable, _, _ = select.select(watched, [], [], 0 if ended else left)
        if exit_watch in readable:
            ended, deadline = True, time.monotonic() + _DRAIN
        for fd in open_pipes & set(readable):
            data = os.read(fd, _CHUNK)
            written[fd].append(data)
            if not data:
                open_pipes.discard(fd)
        if ended and not readable:
            break
    if timed_out:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    status = process.wait()
    os.close(exit_watch)
    for fd in open_pipes:
        keep_open(fd)
    out, err = (base64.b64encode(b"".join(chunks)).decode() for chunks in written.values())
    process.stdout.close()
    process.stderr.close()
    return {"status": 124 if timed_out else status, "timed_out": timed_out, "out": out, "err": err}


class _Interaction:
    """A command that runs while its input and output are passed on."""

    def __init__(self, port: int, request: dict[str, Any]) -> None:
        """Starts it."""
        self._port = port
        self._unsent = b""  # of the last piece of input
        self._piece = 0
        size = request.get("size")
        self._output, far = pty.openpty() if size else os.pipe()
        far_input, self._input = (far, os.dup(self._output)) if size else os.pipe()
        if size:
            self._resize(size)
        os.set_blocking(self._input, False)
        self._process = subprocess.Popen(
            request["argv"],
            env=request["env"],
            stdin=far_input,
            stdout=far,
            stderr=far,
            # A terminal is made a session's own by the command itself.
            start_new_session=not size,
        )
        for fd in {far, far_input}:
            os.close(fd)

    def run(self) -> int:
        """Passes all on until it ends; returns its status."""
        exit_watch = os.pidfd_open(self._process.pid)
        ended, deadline, buffer = False, float("inf"), b""
        while time.monotonic() < deadline:
            watched = [self._port, self._output, *([] if ended else [exit_watch])]
            writing = [self._input] if self._unsent else []
            readable, writable, _ = select.select(watched, writing, [], 0 if ended else None)
            if exit_watch in readable:
                ended, deadline = True, time.monotonic() + _DRAIN
            if writable:
                self._type()
            if self._port in readable:
                buffer += _receive(self._port)
                *lines, buffer = buffer.split(b"\n")
                for line in lines:
                    self._obey(json.loads(line))
            if self._output in readable:
                if not self._show():
                    break
            elif ended:
                break
        for fd in (self._output, self._input, exit_watch):
            if fd >= 0:
                os.close(fd)
        return self._process.wait()

    def _show(self) -> bool:
        try:
            data = os.read(self._output, 1024)
        except BlockingIOError:
            return True
        except OSError:  # a terminal that nobody has open any more
            return False
        if data:
            _send(self._port, {"out": base64.b64encode(data).decode()})
        return bool(data)

    def _obey(self, message: dict[str, Any]) -> None:
        if "size" in message:
            self._resize(message["size"])
        if "hangup" in message:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        if "in" in message:
            self._unsent = base64.b64decode(message["in"])
            self._piece = len(self._unsent)
            self._type()

    def _type(self) -> None:
        """Writes what was typed, or a part, and says so when all is written."""
        try:
            if self._piece == 0 and not os.isatty(self._input):
                os.close(self._input)
                self._input = -1
            self._unsent = self._unsent[os.write(self._input, self._unsent) :]
        except BlockingIOError:
            return
        except OSError:  # it reads no more
            self._unsent = b""
        if not self._unsent:
            _send(self._port, {"took": self._piece})

    def _resize(self, size: list[int]) -> None:
        fcntl.ioctl(self._output, termios.TIOCSWINSZ, struct.pack("HHHH", size[0], size[1], 0, 0))


def keep_open(fd: int) -> None:
    """Reads what is written after all, until nobody can write any more: a daemon must not end because of its output."""
    kept = os.dup(fd)
    os.set_blocking(kept, True)

    def discard() -> None:
        while os.read(kept, _CHUNK):
            pass
        os.close(kept)

    threading.Thread(target=discard, daemon=True, name="output").start()


if __name__ == "__main__":
    main(sys.argv[1])
