"""One system call of a run fails, or the run is killed on entering it.

The kernel's own filter (seccomp) stops the program at calls of this one name, and nowhere else, which is several times
faster than a tracer that stops it at each. Only the program's first thread is counted, not what it starts.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

_NOTIFY, _ALLOW = 0x7FC00000, 0x7FFF0000
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_GO_ON = 1
_PIDFD_GETFD = 438
_REQUEST, _ANSWER = struct.Struct("=QIIi60x"), struct.Struct("=Qqii")
_libc = ctypes.CDLL(None, use_errno=True)


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("rules", ctypes.c_char_p))


@dataclass(frozen=True)
class Injection:
    """What happens at one call."""

    name: str
    number: int
    """At which of those with this name, from 1."""
    error: str | None
    """The error that it fails with; without one, the program is killed."""


def is_missing() -> str | None:
    """Returns why nothing can be injected here, and what to do."""
    try:
        _number("execve")
    except (OSError, KeyError, subprocess.CalledProcessError):
        return "the numbers of system calls are not known; run with: apt-get install gcc libc6-dev"
    return None


def run(argv: Sequence[str], injection: Injection, limit: float) -> tuple[int, bytes, bytes] | None:
    """Runs a command. Returns its exit code (negative: the signal) and streams; none when it did not end in time."""
    out, err = os.memfd_create("out"), os.memfd_create("err")
    asks, says = os.pipe()
    # All that the child needs is made before, since it is a copy of a process with threads.
    rules, seccomp = _rules(injection.name), _number("seccomp")
    environment = {**os.environ, "RUST_BACKTRACE": "0"}
    pid = os.fork()
    if pid == 0:
        _become(argv, environment, (out, err, says), rules, seccomp)
    os.close(says)
    process, listener = os.pidfd_open(pid), -1
    try:
        listener = _take(process, asks)
        ended = _serve(pid, process, listener, injection, time.monotonic() + limit)
        if not ended:
            os.killpg(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        streams = [os.pread(stream, os.fstat(stream).st_size, 0) for stream in (out, err)]
        return (code, streams[0], streams[1]) if ended else None
    finally:
        for handle in (out, err, asks, process, listener):
            if handle >= 0:
                os.close(handle)


def _become(
    argv: Sequence[str], environment: dict[str, str], handles: tuple[int, int, int], rules: _Filter, seccomp: int
) -> None:
    """Becomes the command, stopped at the calls of a filter. Runs in the child and never returns."""
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(handles[0], 1)
        os.dup2(handles[1], 2)
        # The kernel gives the filter's handle the lowest free number.
        free = os.dup(0)
        os.close(free)
        os.write(handles[2], struct.pack("=i", free))
        if _libc.syscall(seccomp, 1, 8, ctypes.byref(rules)) != free:
            os._exit(126)
        os.execve(argv[0], list(argv), environment)  # noqa: S606 - no shell is wanted
    finally:
        os._exit(127)


def _take(process: int, asks: int) -> int:
    """Returns the handle at which the kernel tells of the child's calls."""
    free = struct.unpack("=i", os.read(asks, 4))[0]
    while True:
        listener: int = _libc.syscall(_PIDFD_GETFD, process, free, 0)
        if listener >= 0:
            os.set_inheritable(listener, False)
            return listener
        if ctypes.get_errno() != errno.EBADF or select.select([process], [], [], 0)[0]:
            raise RuntimeError(f"there is no filter: {os.strerror(ctypes.get_errno())}")
        os.sched_yield()  # it is about to make it


def _serve(pid: int, process: int, listener: int, injection: Injection, deadline: float) -> bool:
    """Lets all calls go on but one. Returns whether the program and all that it started ended in time."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    execve, count = _number("execve"), -1
    while (left := deadline - time.monotonic()) > 0:
        events = poll.poll(left * 1000)
        if not events:
            break
        if not events[0][1] & select.POLLIN:
            return True  # nobody is left whom the filter is for
        request = bytearray(_REQUEST.size)
        try:
            fcntl.ioctl(listener, _RECEIVE, request)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):  # it was killed meanwhile
                continue
            raise
        call, who, _, number = _REQUEST.unpack(request)
        if who == pid and number == execve:
            count = 0
        elif who == pid and count >= 0:
            count += 1
            if count == injection.number:
                if injection.error is None:
                    signal.pidfd_send_signal(process, signal.SIGKILL)
                    continue
                _answer(listener, _ANSWER.pack(call, 0, -getattr(errno, injection.error), 0))
                continue
        _answer(listener, _ANSWER.pack(call, 0, 0, _GO_ON))
    return False


def _answer(listener: int, answer: bytes) -> None:
    try:
        fcntl.ioctl(listener, _SEND, answer)
    except OSError as error:
        if error.errno != errno.ENOENT:  # it was killed meanwhile
            raise


def _rules(name: str) -> _Filter:
    """Returns the filter that stops at one call, and at the begin of a program."""
    load, jump, end = 0x20, 0x15, 0x06
    numbers = (_number(name), _number("execve"))
    program = struct.pack("=HBBI", load, 0, 0, 0)
    program += struct.pack("=HBBI", jump, 2, 0, numbers[0]) + struct.pack("=HBBI", jump, 1, 0, numbers[1])
    program += struct.pack("=HBBI", end, 0, 0, _ALLOW) + struct.pack("=HBBI", end, 0, 0, _NOTIFY)
    return _Filter(len(program) // 8, program)


def _number(name: str) -> int:
    """Returns a system call's number on this machine."""
    return _numbers()[name]


@cache
def _numbers() -> dict[str, int]:
    headers = ["cc", "-E", "-dM", "-include", "sys/syscall.h", "-x", "c", "/dev/null"]
    text = subprocess.run(headers, capture_output=True, text=True, check=True).stdout
    return {match[1]: int(match[2]) for match in re.finditer(r"^#define __NR_(\w+) (\d+)$", text, re.MULTILINE)}
