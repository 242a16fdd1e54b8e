"""Runs host processes with a hard time limit. Nothing here waits for ever."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from base.agent import keep_open

TIMED_OUT = 124
"""The exit status of a command that was stopped at its time limit, as timeout(1) has it."""

LEASH = [
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"),
    *("sh", "-c", '"$@"; exit $?', "leash"),
]
"""What a machine's process is started under: it dies with the driver, and all its processes with it."""

_CHUNK = 1 << 16
_PATIENCE = 10.0
_DRAIN = 2.0


@dataclass(frozen=True)
class Completed:
    """How a process ended: its exit status (negative for a signal), and what it wrote."""

    status: int
    stdout: bytes
    stderr: bytes
    timed_out: bool = False

    @property
    def text(self) -> str:
        """What it wrote to stdout, decoded."""
        return self.stdout.decode(errors="replace")

    @property
    def errors(self) -> str:
        """What it wrote to stderr, decoded."""
        return self.stderr.decode(errors="replace")


def run(
    argv: Sequence[str],
    timeout: float,
    stdin: bytes | IO[bytes] | None = None,
    env: dict[str, str] | None = None,
) -> Completed:
    """Runs `argv` in its own process group, which is killed at the time limit.

    Ends with the process, not with its pipes: a daemon that it left behind may keep those open, and write to them.
    """
    source: int | IO[bytes]
    if isinstance(stdin, bytes):
        feed, source = stdin, subprocess.PIPE
    else:
        feed, source = b"", stdin or subprocess.DEVNULL
    process = subprocess.Popen(
        argv,
        stdin=source,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=env,
    )
    try:
        return _collect(process, memoryview(feed), time.monotonic() + timeout)
    finally:
        kill_group(process)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None and not pipe.closed:
                try:
                    pipe.close()
                except BrokenPipeError:
                    pass  # input that a dead process did not take


def _collect(process: subprocess.Popen[bytes], feed: memoryview, deadline: float) -> Completed:
    assert process.stdout is not None and process.stderr is not None
    written: dict[int, list[bytes]] = {process.stdout.fileno(): [], process.stderr.fileno(): []}
    with selectors.DefaultSelector() as selector:
        for fd in written:
            os.set_blocking(fd, False)
            selector.register(fd, selectors.EVENT_READ)
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            selector.register(process.stdin.fileno(), selectors.EVENT_WRITE)
        exit_watch = os.pidfd_open(process.pid)
        try:
            selector.register(exit_watch, selectors.EVENT_READ)
            timed_out = _pump(process, selector, written, feed, exit_watch, deadline)
        finally:
            os.close(exit_watch)
        for fd in written.keys() & {key.fd for key in selector.get_map().values()}:
            keep_open(fd)
    out, err = (b"".join(chunks) for chunks in written.values())
    if timed_out:
        kill_group(process)
        return Completed(TIMED_OUT, out, err, timed_out=True)
    return Completed(process.wait(_PATIENCE), out, err)


def _pump(
    process: subprocess.Popen[bytes],
    selector: selectors.BaseSelector,
    written: dict[int, list[bytes]],
    feed: memoryview,
    exit_watch: int,
    deadline: float,
) -> bool:
    """Moves bytes until the process has ended and its pipes are drained; true when the deadline came first."""
    ended = False
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return not ended
        events = selector.select(0 if ended else min(left, 1.0))
        moved = False
        for key, _ in events:
            fd = key.fd
            if fd == exit_watch:
                ended = True
                deadline = time.monotonic() + _DRAIN
                selector.unregister(exit_watch)
                moved = True
            elif fd in written:
                moved = _read_some(fd, written[fd], selector) or moved
            else:
                feed = _write_some(process, fd, feed, selector)
        if ended and not moved:
            return False


def _read_some(fd: int, chunks: list[bytes], selector: selectors.BaseSelector) -> bool:
    try:
        data = os.read(fd, _CHUNK)
    except BlockingIOError:
        return False
    if not data:
        selector.unregister(fd)
        return False
    chunks.append(data)
    return True


def _write_some(
    process: subprocess.Popen[bytes], fd: int, feed: memoryview, selector: selectors.BaseSelector
) -> memoryview:
    try:
        feed = feed[os.write(fd, feed[:_CHUNK]) :] if feed else feed
    except BrokenPipeError:
        feed = feed[:0]
    if not feed and process.stdin is not None:
        selector.unregister(fd)
        try:
            process.stdin.close()
        except BrokenPipeError:
            pass  # the exit status says what it thought of its input
    return feed


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kills the process, if it still runs, with all of its group, and reaps it."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it ended between the two calls
    process.wait(_PATIENCE)


def wait_for_exit(process: subprocess.Popen[bytes], timeout: float) -> bool:
    """Waits until the process has ended; false when it still runs at the time limit."""
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        return False
    return True
