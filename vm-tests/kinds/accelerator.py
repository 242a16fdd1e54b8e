"""What QEMU runs its guests with: KVM where a boot shows that it works, else emulation."""

from __future__ import annotations

import functools
import os
import re
import struct
import tempfile
from pathlib import Path

from base.process import run

EMULATION = "tcg,thread=multi,tb-size=512"
"""QEMU's accelerator that needs nothing of the host."""

_PROBE_LIMIT = 10.0
_ORIGIN = 0x7C00
_EXIT_PORT = 0xF4
_EXIT_CODE = 0x2A
_ROUNDS = 100_000_000


@functools.cache
def accelerator() -> str:
    """Returns QEMU's accelerator: that of MACHINE_ACCEL (`tcg` for emulation), or what a probe of up to 10 s says."""
    if given := os.environ.get("MACHINE_ACCEL"):
        return EMULATION if given == "tcg" else given
    return "kvm" if _may_have_kvm() and works("kvm") else EMULATION


def _may_have_kvm() -> bool:
    """Whether a probe is worth it. Reads only."""
    found = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    in_hardware = bool(found and {"vmx", "svm"} & set(found[1].split()))
    # A host that is a para-virtual guest itself has the device, and boots nothing with it.
    paravirtual = Path("/sys/module/kvm_pvm").exists()
    return in_hardware and not paravirtual and os.access("/dev/kvm", os.R_OK | os.W_OK)


def works(accel: str, limit: float = _PROBE_LIMIT) -> bool:
    """Boots a sector that counts, and says whether it came to its end within `limit` seconds.

    The count takes a processor a fraction of a second, and where a hypervisor interprets it, minutes.
    """
    with tempfile.TemporaryDirectory(prefix="machine-probe-") as folder:
        disk = Path(folder) / "sector"
        disk.write_bytes(_sector())
        argv = [
            *("qemu-system-x86_64", "-accel", accel, "-cpu", "host" if accel == "kvm" else "max", "-m", "32"),
            *("-machine", "pc", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-drive", f"file={disk},format=raw,if=ide"),
            *("-device", f"isa-debug-exit,iobase={_EXIT_PORT},iosize=1"),
        ]
        # The device ends QEMU with an odd status that the guest chooses.
        return run(argv, limit).status == _EXIT_CODE * 2 + 1


def _sector() -> bytes:
    """Returns a boot sector that goes to protected mode, counts down, and ends the machine. Pure."""
    protected = b"".join(
        [
            b"\xb9" + struct.pack("<I", _ROUNDS),  # mov ecx, ROUNDS
            b"\x49\x75\xfd",  # dec ecx; jnz to it
            bytes([0xB0, _EXIT_CODE, 0xE6, _EXIT_PORT]),  # mov al, CODE; out PORT, al
            b"\xf4\xeb\xfd",  # hlt; jmp to it
        ]
    )
    descriptors = struct.pack("<QQ", 0, 0x00CF9A000000FFFF)  # null; code, flat, 32 bits

    def entry(table: int, after: int) -> bytes:
        return b"".join(
            [
                b"\xfa\x31\xc0\x8e\xd8",  # cli; xor ax, ax; mov ds, ax
                b"\x0f\x01\x16" + struct.pack("<H", table),  # lgdt [table]
                b"\x0f\x20\xc0\x0c\x01\x0f\x22\xc0",  # cr0 |= 1
                b"\xea" + struct.pack("<HH", after, 8),  # jmp far
            ]
        )

    after = _ORIGIN + len(entry(0, 0))
    gdt = after + len(protected)
    table = struct.pack("<HI", len(descriptors) - 1, gdt)
    code = entry(gdt + len(descriptors), after) + protected + descriptors + table
    return code.ljust(510, b"\0") + b"\x55\xaa"
