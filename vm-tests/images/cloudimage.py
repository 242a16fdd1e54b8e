"""An image like the stock one, built from Debian's own packages where the stock one can't be had.

GPT, grub, cloud-init, netplan, sshd: what a cloud image has. The host needs no loop device and no partition scanning:
the file system is filled by mke2fs at an offset, and grub is installed by one boot of the image's own kernel.
"""

from __future__ import annotations

import os
import re
import tempfile
import uuid
from pathlib import Path

from base.errors import MachineError
from base.process import LEASH, Completed, run
from images.cache import cached, is_cached
from images.rootimage import sources

CLOUD_SUITES = {"debian-12": "bookworm", "debian-13": "trixie"}
"""The images that can be built."""

_SIZE = "6G"
_SECTOR = 512
_BUILD_LIMIT = 1800.0
_STEP_LIMIT = 600.0
_DONE = "THE BOOT LOADER IS INSTALLED"

_PACKAGES = (
    *("apparmor", "ca-certificates", "cloud-guest-utils", "cloud-init", "curl", "dbus", "e2fsprogs", "fdisk"),
    *("grub-pc", "iproute2", "kmod", "less", "libpam-systemd", "linux-image-cloud-amd64", "locales", "netplan.io"),
    *("nginx-light", "openssh-server", "polkitd", "postgresql", "procps", "python3", "redis-server", "sudo"),
    *("systemd-resolved", "systemd-sysv", "systemd-timesyncd", "udev"),
)

_GRUB_DEFAULTS = """\
GRUB_TIMEOUT=0
GRUB_TERMINAL=serial
GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
GRUB_CMDLINE_LINUX="console=ttyS0,115200 consoleblank=0"
"""

_FINALIZE = f"""\
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -o remount,rw /; mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs tmp /run
mountpoint -q /dev || mount -t devtmpfs dev /dev
rm /finalize
grub-install --target=i386-pc /dev/vda && update-grub && [ -s /boot/grub/grub.cfg ] && echo {_DONE}
sync; echo u >/proc/sysrq-trigger; echo o >/proc/sysrq-trigger; read forever
"""

_HOOKS = (
    # Packages must not start what they install; services are off until a test wants them.
    "--essential-hook=printf '#!/bin/sh\\nexit 101\\n' >\"$1/usr/sbin/policy-rc.d\"",
    '--essential-hook=chmod 755 "$1/usr/sbin/policy-rc.d"',
    '--essential-hook=echo grub-pc grub-pc/install_devices_empty boolean true | chroot "$1" debconf-set-selections',
    '--customize-hook=rm "$1/usr/sbin/policy-rc.d" "$1"/etc/ssh/ssh_host_*',
    '--customize-hook=chroot "$1" systemctl disable nginx.service postgresql.service redis-server.service',
    '--customize-hook=: >"$1/etc/machine-id"; echo debian >"$1/etc/hostname"',
    '--customize-hook=ln -sf ../run/systemd/resolve/stub-resolv.conf "$1/etc/resolv.conf"',
)


def _recipe(image: str) -> str:
    return f"{CLOUD_SUITES[image]} {_PACKAGES} {_GRUB_DEFAULTS} {_FINALIZE} {_HOOKS} {_SIZE}"


def built_image(image: str) -> Path:
    """Returns the built qcow2 image, building it if it is not in the cache: minutes, 1 GB, a Debian mirror."""
    recipe = _recipe(image)
    return cached(f"cloud-{image}", recipe, lambda directory: _build(CLOUD_SUITES[image], directory)) / "disk.qcow2"


def is_built(image: str) -> bool:
    """Whether `built_image` has nothing to build. Reads only."""
    return image in CLOUD_SUITES and is_cached(f"cloud-{image}", _recipe(image))


def _build(suite: str, directory: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="machine-image-", dir=directory) as work:
        root, disk = Path(work) / "root", Path(work) / "disk.raw"
        _do(["mmdebstrap", *_bootstrap_options(), suite, str(root), *sources(suite)], _BUILD_LIMIT)
        part_uuid = str(uuid.uuid4())
        (root / "etc/fstab").write_text(f"PARTUUID={part_uuid} / ext4 rw,discard,errors=remount-ro 0 1\n")
        (root / "etc/default/grub.d").mkdir(exist_ok=True)
        (root / "etc/default/grub.d/10_cloud.cfg").write_text(_GRUB_DEFAULTS)
        (root / "etc/cloud/cloud.cfg.d/01_locale.cfg").write_text("locale: C.UTF-8\n")
        (root / "finalize").write_text(_FINALIZE)
        (root / "finalize").chmod(0o755)
        _partition(root, disk, part_uuid)
        _install_boot_loader(root, disk, part_uuid)
        _do(["qemu-img", "convert", "-c", "-O", "qcow2", str(disk), str(directory / "disk.qcow2")])


def _bootstrap_options() -> list[str]:
    return [
        *("--quiet", "--variant=important", "--mode=root", "--format=directory"),
        f"--include={','.join(_PACKAGES)}",
        "--aptopt=APT::Install-Recommends false",
        "--dpkgopt=force-unsafe-io",
        *_HOOKS,
    ]


def _partition(root: Path, disk: Path, part_uuid: str) -> None:
    """Makes a disk with a partition for grub and one for the root, filled."""
    _do(["truncate", "-s", _SIZE, str(disk)])
    _do(["sgdisk", "-n14:2048:+3M", "-t14:ef02", "-n1:0:0", "-t1:8304", f"-u1:{part_uuid}", str(disk)])
    table = _do(["sgdisk", "-i1", str(disk)]).text
    begin, end = (int(re.findall(rf"{word} sector: (\d+)", table)[0]) for word in ("First", "Last"))
    kilobytes = (end - begin + 1) * _SECTOR // 1024
    offset = f"offset={begin * _SECTOR},lazy_itable_init=1,nodiscard"
    _do(["mke2fs", "-q", "-F", "-t", "ext4", "-L", "root", "-E", offset, "-d", str(root), str(disk), f"{kilobytes}k"])


def _install_boot_loader(root: Path, disk: Path, part_uuid: str) -> None:
    kernel, initrd = (sorted((root / "boot").glob(f"{name}-*"))[-1] for name in ("vmlinuz", "initrd.img"))
    options = f"root=PARTUUID={part_uuid} ro console=ttyS0 init=/finalize norandmaps mitigations=off"
    done = _do(
        [
            *("qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "1024"),
            *("-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot"),
            *("-drive", f"file={disk},format=raw,if=virtio,cache=unsafe,discard=unmap"),
            *("-kernel", str(kernel), "-initrd", str(initrd), "-append", options),
        ]
    )
    if _DONE not in done.text:
        raise MachineError(f"installing the boot loader: {done.text[-2000:]}")


def _do(argv: list[str], limit: float = _STEP_LIMIT) -> Completed:
    done = run([*LEASH, "nice", "-n", "10", *argv], limit, env=dict(os.environ))
    if done.status != 0:
        raise MachineError(f"building an image: {argv[0]} exited {done.status}: {done.errors[-2000:]}")
    return done
