"""A file that remembers each write and each flush: under a loop device, that is a disk of which power cuts can be made.

Run as a program: blockdev.py FOLDER IMAGE LOG. It mounts a file system of one file, `disk`, at the folder, speaking
the kernel's own protocol (FUSE), and ends when that is unmounted. The log has a head (`<cQI`: `w` or `f`, offset,
length) for each write or flush, and the data of writes after it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import sys
from pathlib import Path

HEAD = struct.Struct("<cQI")

_IN = struct.Struct("<IIQQIIII")
_OUT = struct.Struct("<IiQ")
_LOOKUP, _FORGET, _GETATTR, _SETATTR, _OPEN, _READ, _WRITE, _STATFS = 1, 2, 3, 4, 14, 15, 16, 17
_RELEASE, _FSYNC, _FLUSH, _INIT, _INTERRUPT, _DESTROY, _BATCH_FORGET = 18, 20, 25, 26, 36, 38, 42
_MOST = 1 << 17
_FOLDER, _FILE = 1, 2


class Disk:
    """The file system."""

    def __init__(self, content: bytes, log: int) -> None:
        """Begins with this content."""
        self._content = bytearray(content)
        self._log = log

    def answer(self, opcode: int, node: int, body: bytes) -> bytes | int | None:
        """Returns the answer to a request: its body, an error, or nothing for what wants none."""
        if opcode in (_FORGET, _BATCH_FORGET, _INTERRUPT):
            return None
        if opcode == _INIT:
            # Version 7.31, no features; writes of up to 128 KiB.
            return struct.pack("<IIIIHHIIHHI28x", 7, 31, _MOST, 0, 1, 1, _MOST, 1, _MOST >> 12, 0, 0)
        if opcode == _LOOKUP:
            if node != _FOLDER or body.rstrip(b"\0") != b"disk":
                return errno.ENOENT
            return struct.pack("<QQQQII", _FILE, 0, 3600, 3600, 0, 0) + self._attributes(_FILE)
        if opcode in (_GETATTR, _SETATTR):
            return struct.pack("<QII", 3600, 0, 0) + self._attributes(node)
        if opcode == _OPEN:
            return struct.pack("<QII", 1, 0, 0)
        if opcode == _READ:
            _, offset, size = struct.unpack_from("<QQI", body)
            return bytes(self._content[offset : offset + size])
        if opcode == _WRITE:
            _, offset, size = struct.unpack_from("<QQI", body)
            data = body[40 : 40 + size]
            self._content[offset : offset + size] = data
            os.writev(self._log, [HEAD.pack(b"w", offset, size), data])
            return struct.pack("<II", size, 0)
        if opcode == _FSYNC:
            os.write(self._log, HEAD.pack(b"f", 0, 0))
            return b""
        if opcode == _STATFS:
            return struct.pack("<QQQQQIIII24x", 1 << 20, 1 << 19, 1 << 19, 1 << 10, 1 << 9, 4096, 255, 4096, 0)
        return b"" if opcode in (_FLUSH, _RELEASE, _DESTROY) else errno.ENOSYS

    def _attributes(self, node: int) -> bytes:
        size = len(self._content) if node == _FILE else 0
        mode = stat.S_IFREG | 0o600 if node == _FILE else stat.S_IFDIR | 0o700
        return struct.pack("<6Q10I", node, size, (size + 511) // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def main(folder: str, image: str, log: str) -> None:
    """Serves until it is unmounted. Says `ready` on standard output once it is there."""
    fuse = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"proof", folder.encode(), b"fuse", 0, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), "mounting", folder)
    disk = Disk(Path(image).read_bytes(), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    print("ready", flush=True)
    while True:
        try:
            request = os.read(fuse, _MOST + 4096)
        except OSError as error:
            if error.errno == errno.ENODEV:  # unmounted
                return
            if error.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                continue
            raise
        _, opcode, unique, node, *_ = _IN.unpack_from(request)
        answer = disk.answer(opcode, node, request[_IN.size :])
        if answer is None:
            continue
        body, error_code = (answer, 0) if isinstance(answer, bytes) else (b"", -answer)
        os.writev(fuse, [_OUT.pack(_OUT.size + len(body), error_code, unique), body])


if __name__ == "__main__":
    main(*sys.argv[1:])
