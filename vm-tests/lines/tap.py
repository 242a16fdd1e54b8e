"""Makes a network device that the driver feeds, in the network namespace that it is started in.

Run as a program: tap.py FD NAME. Sends the device over the socket FD and ends; the device lives while the other has it.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys

# linux/if_tun.h
_TUNSETIFF = 0x400454CA
_TAP_WITHOUT_HEADER = 0x1002


def main() -> None:
    """Makes the device and hands it over."""
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH", sys.argv[2].encode(), _TAP_WITHOUT_HEADER))
    os.set_blocking(device, False)
    with socket.socket(fileno=int(sys.argv[1])) as line:
        socket.send_fds(line, [b"tap"], [device])


if __name__ == "__main__":
    main()
