#!/usr/bin/python3
"""Runs commands for the test driver inside a machine: the only file here that is copied into one.

Speaks lines of JSON over a serial port. Says {"ready": BOOT_ID} when it starts; answers {"id", "argv", "env",
"timeout"} with {"started": ID}, then {"id", "status", "timed_out", "out", "err"}, output in base64. A request with
"detach" is answered at once. A serial port drops what is more than its buffer, so a long request comes in pieces of
JSON, {"part": TEXT}, each answered with {"took": LENGTH}, and then {"end": true}.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
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
            if "part" in request:
                parts += request["part"]
                _send(fd, {"took": len(request["part"])})
                continue
            if "end" in request:
                request, parts = json.loads(parts), ""
            _send(fd, {"started": request["id"]})
            if request.get("detach"):
                detached.append(_start(request, subprocess.DEVNULL))
                _send(fd, {"id": request["id"], "status": 0, "timed_out": False, "out": "", "err": ""})
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
        _keep_open(fd)
    out, err = (base64.b64encode(b"".join(chunks)).decode() for chunks in written.values())
    process.stdout.close()
    process.stderr.close()
    return {"status": 124 if timed_out else status, "timed_out": timed_out, "out": out, "err": err}


def _keep_open(fd: int) -> None:
    """Reads on until nobody can write any more: a daemon must not end because of its output."""
    kept = os.dup(fd)

    def discard() -> None:
        while os.read(kept, _CHUNK):
            pass
        os.close(kept)

    threading.Thread(target=discard, daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1])
