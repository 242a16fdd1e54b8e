"""The VM: a stock image under QEMU, with its own kernel and boot loader, prepared by cloud-init.

A template of each image is booted once and stopped; every machine is a clone of it: a layer over its disk, and a
private mapping of its memory. So a machine is there in about a second, also where there is no hardware help.
"""

from __future__ import annotations

import base64
import os
import random
import shlex
import shutil
import socket
import subprocess
import time
from pathlib import Path

from api.machine import DEFAULT_TIMEOUT
from base.errors import MachineError, MachineUnavailable
from base.process import run
from images.cache import cached
from images.cloudimage import CLOUD_SUITES, built_image, is_built
from images.distros import DISTROS, fetch_command, image_path, verified_image
from images.seed import make_seed, seed_recipe
from kinds.accelerator import accelerator
from kinds.qmp import Qmp
from kinds.screen import ScreenMachine
from kinds.writelog import read_log, replay, surviving
from lines.network import Network

_PORT = "/dev/virtio-ports/machine.agent"
_MEMORY = 1024
_MAC = "52:54:00:12:01:ff"
_STEP_LIMIT = 120.0
_FIRST_BOOT_LIMIT = 900.0
_EMULATION_FACTOR = 6.0
_RECIPE = 2
# A stock image has room for little more than itself. cloud-init lets it grow to what the disk has.
_DISK_SIZE = "16G"


def base_image(image: str) -> Path:
    """Returns the image of a distribution: the stock one if it was fetched, else one that is built, or a given file.

    NAME=FILE takes FILE for the distribution NAME.
    """
    name, _, file = image.partition("=")
    if name not in DISTROS:
        raise ValueError(f"there is no distribution `{name}`; there are: {', '.join(DISTROS)}")
    if file:
        return Path(file).resolve()
    if image_path(name).exists():
        return verified_image(name)
    return built_image(name)


def builds_image(image: str) -> bool:
    """Whether `base_image` has to build an image. Reads only."""
    name, _, file = image.partition("=")
    return not file and name in DISTROS and not image_path(name).exists() and not is_built(name)


def lacks_image(image: str) -> str | None:
    """Says why an image can't be had, with the command that fetches it, or nothing. Reads only."""
    name, _, file = image.partition("=")
    if name not in DISTROS or file or image_path(name).exists() or name in CLOUD_SUITES:
        return None
    return (
        f"the image of {name} is not here; run with: {fetch_command(name)} && vm-tests/run --kind qemu --image {name}"
    )


class Qemu(ScreenMachine):
    """A machine of the QEMU kind. Needs qemu-system-x86, qemu-utils and genisoimage; to build an image also root."""

    kind = "qemu"
    boot_limit = 600.0

    def __init__(
        self,
        name: str = "machine",
        *,
        image: str = "debian-12",
        out_dir: Path | None = None,
        template: Path | None = None,
        power_cuts: int | None = None,
        network: Network | None = None,
    ) -> None:
        """Prepares a clone of the template of `image`, making that if it is not in the cache. See `base_image`.

        With `power_cuts`, a seed for chance, each write is logged, and `crash` is a power cut; see `writelog`.
        """
        if network is not None and len(network.ports[name]) > 1:
            raise MachineUnavailable(f"{name} is in several networks; run with: --kind container, or --kind uml")
        template = template or template_of(image)
        super().__init__(name, out_dir)
        self.time_factor = 1.0 if accelerator() == "kvm" else _EMULATION_FACTOR
        self._template = template
        self._resumable = (template / "state").exists()
        self._is_clone = False
        self._qmp: Qmp | None = None
        self._disk = self.state_dir / "disk.qcow2"
        self._copies = 0
        self._chance = None if power_cuts is None else random.Random(power_cuts)
        self._layers = 0
        self._log = self.state_dir / "writes.log"
        self.network = network
        create_layer(template / "disk.qcow2", self._disk)

    def network_devices(self) -> list[str]:
        """Returns how the guest finds the one device, which the template has already."""
        return [f"$(basename $(dirname $(grep -l {_MAC} /sys/class/net/*/address)))" for _ in self.ports]

    def launch(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        """Starts QEMU: the first time with the template's memory, afterwards from power-on."""
        ours, theirs = socket.socketpair()
        monitor, monitor_theirs = socket.socketpair()
        resume, self._resumable = self._resumable, False
        if self._chance is not None:
            self._begin_log()
        with theirs, monitor_theirs:
            fds = (theirs.fileno(), monitor_theirs.fileno(), *(port.line.fileno() for port in self.ports))
            memory = (self._template / "memory", False)
            disk = _disk_arguments(self._disk, None if self._chance is None else self._log)
            argv = arguments(self.name, disk, self._template / "seed.iso", fds, memory if resume else None)
            process = self.spawn([*argv, *(["-incoming", "defer"] if resume else [])], fds)
        self._qmp = Qmp(monitor)
        if resume:
            _resume(self._qmp, self._template / "state")
        return process, ours

    def boot(self, allow_reboot: bool = False) -> None:
        """Resumes the clone, or powers the machine on if it was off before."""
        resumes = self._resumable and not self._running()
        super().boot(allow_reboot)
        self._is_clone = self._is_clone or resumes

    def _await_boot(self, limit: float) -> None:
        """Takes over the agent that the template had, and gives a clone the time of day; else waits for a boot."""
        if not self._is_clone:
            super()._await_boot(limit)
            return
        self._is_clone = False
        channel = self._line()
        channel.boot_id = (self._template / "boot-id").read_text()
        channel.set_clock(time.time())
        self._connected = True
        self.on_boot(self.network_devices())

    def monitor(self) -> Qmp:
        """Returns the connection to QEMU's monitor."""
        if self._qmp is None:
            raise self._die("the machine is off")
        return self._qmp

    def _begin_log(self) -> None:
        """Puts a layer over the disk as it is at power-on: what a power cut leaves is that, and a part of the log."""
        self._layers += 1
        layer = self.state_dir / f"layer{self._layers}.qcow2"
        create_layer(self._disk, layer)
        self._disk = layer
        self._log.write_bytes(b"")

    def crash(self) -> None:
        """Ends the machine at once; with `power_cuts` the disk loses what a disk with a volatile cache could lose."""
        was_running = self._running()
        super().crash()
        if self._chance is None or not was_running:
            return
        base = self.state_dir / f"layer{self._layers - 1}.qcow2" if self._layers > 1 else self.state_dir / "disk.qcow2"
        raw = self.state_dir / f"cut{self._layers}.raw"
        _qemu_img("convert", "-O", "raw", str(base), str(raw))
        log = read_log(self._log)
        kept = list(surviving(log, self._chance))
        replay(self._log, iter(kept), raw)
        self.log(f"power cut: {len(kept)} of {len(log)} entries of the log survive")
        self._disk = self.state_dir / f"after-cut{self._layers}.qcow2"
        create_layer(raw, self._disk, "raw")

    def _forget(self) -> None:
        super()._forget()
        self._is_clone = False
        if self._qmp is not None:
            self._qmp.close()
            self._qmp = None

    def unpack(self, archive: Path, directory: str) -> None:
        """Plugs a tar file in as a disk, unpacks it, and unplugs it."""
        self.connect()
        qmp = self.monitor()
        self._copies += 1
        node, serial = f"copy{self._copies}", f"machinecopy{self._copies}"
        disk = self.state_dir / node
        shutil.copyfile(archive, disk)
        os.truncate(disk, (disk.stat().st_size + 4095) // 4096 * 4096)
        file = {"driver": "file", "filename": str(disk)}
        qmp.execute("blockdev-add", {"node-name": node, "driver": "raw", "read-only": True, "file": file})
        device = {"driver": "virtio-blk-pci", "id": serial, "drive": node, "bus": "port0", "serial": serial}
        qmp.execute("device_add", device)
        path, target = f"/dev/disk/by-id/virtio-{serial}", shlex.quote(directory)
        plugged = f"timeout 60 sh -c 'until [ -e {path} ]; do sleep 0.1; done'"
        done = self.run_script(
            f"set -e; {plugged}; umask 022; mkdir -p {target}; tar -C {target} --numeric-owner -xpf {path}",
            DEFAULT_TIMEOUT,
        )
        qmp.execute("device_del", {"id": serial})
        qmp.wait_for_event("DEVICE_DELETED", serial)
        qmp.execute("blockdev-del", {"node-name": node})
        disk.unlink()
        if done.status != 0:
            raise MachineError(f"{self.name}: unpacking into `{directory}`: {done.errors}")

    def pack(self, directory: str, member: str, archive: Path) -> None:
        """Takes a tar file through the agent."""
        packing = f"set -o pipefail; tar -C {shlex.quote(directory)} -cf - {shlex.quote(member)} | gzip -1 | base64 -w0"
        done = self.run_script(packing, DEFAULT_TIMEOUT)
        if done.status != 0:
            raise MachineError(f"{self.name}: packing `{directory}/{member}`: {done.errors}")
        archive.write_bytes(base64.b64decode(done.stdout))


def arguments(
    name: str, disk: list[str], seed: Path, fds: tuple[int, ...], memory: tuple[Path, bool] | None
) -> list[str]:
    """Returns QEMU's command line. `fds`: the agent's line, the monitor's, a network's; `memory`: a file, if shared."""
    backend, machine = [], "q35"
    if memory is not None:
        share = "on" if memory[1] else "off"
        backend = ["-object", f"memory-backend-file,id=memory,size={_MEMORY}M,mem-path={memory[0]},share={share}"]
        machine = "q35,memory-backend=memory"
    return [
        *("qemu-system-x86_64", "-name", name, "-accel", accelerator()),
        *("-cpu", "host" if accelerator() == "kvm" else "max", "-smp", "2", "-m", str(_MEMORY)),
        *backend,
        *("-machine", machine, "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio"),
        *("-chardev", f"socket,id=monitor,fd={fds[1]}", "-mon", "chardev=monitor,mode=control"),
        *disk,
        *("-device", "virtio-blk-pci,drive=disk,bootindex=0"),
        *("-drive", f"id=seed,file={seed},format=raw,if=none,readonly=on", "-device", "virtio-blk-pci,drive=seed"),
        *("-device", "virtio-serial-pci", "-chardev", f"socket,id=agent,fd={fds[0]}"),
        *("-device", "virtserialport,chardev=agent,name=machine.agent"),
        *("-object", "rng-random,id=random,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=random"),
        *("-device", "pcie-root-port,id=port0,slot=1"),
        *("-netdev", "user,id=net0,restrict=on", "-device", "virtio-net-pci,netdev=net0,romfile="),
        *("-netdev", f"dgram,id=net1,local.type=fd,local.str={fds[2]}" if fds[2:] else "hubport,id=net1,hubid=1"),
        *("-device", f"virtio-net-pci,netdev=net1,romfile=,mac={_MAC}", "-device", "VGA"),
    ]


def _disk_arguments(disk: Path, log: Path | None) -> list[str]:
    """Returns the options for the root disk; with a log, the flushes that the guest asks for are told and obeyed."""
    if log is None:
        return ["-drive", f"id=disk,file={disk},format=qcow2,if=none,cache=unsafe,discard=unmap"]
    layer = f"driver=qcow2,node-name=layer,file.driver=file,file.filename={disk}"
    logged = f"driver=blklogwrites,node-name=disk,file=layer,log.driver=file,log.filename={log},log-sector-size=512"
    return ["-blockdev", layer, "-blockdev", logged]


def create_layer(base: Path, layer: Path, base_format: str = "qcow2", size: str | None = None) -> None:
    """Makes an empty copy-on-write layer over a disk, of the same size where no other is given."""
    _qemu_img("create", "-q", "-f", "qcow2", "-F", base_format, "-b", str(base), str(layer), *([size] if size else []))


def _qemu_img(*arguments: str) -> None:
    done = run(["qemu-img", *arguments], _STEP_LIMIT)
    if done.status != 0:
        raise MachineError(f"qemu-img {' '.join(arguments)}: {done.errors}")


def template_of(image: str) -> Path:
    """Returns the template of an image, booting it to its end if it is not in the cache."""
    base = base_image(image)
    version = run(["qemu-system-x86_64", "--version"], _STEP_LIMIT).text
    devices = arguments("", [], Path(), (0, 1), (Path(), True))
    recipe = f"{_RECIPE} {base} {base.stat().st_mtime_ns} {version} {devices} {seed_recipe()}"
    return cached(f"template-{image.partition('=')[0]}", recipe, lambda path: _make_template(base, path))


def _make_template(base: Path, directory: Path) -> None:
    """Boots an image by its own boot loader, lets cloud-init finish, and writes memory and devices to files."""
    make_seed(directory / "seed.iso", "machine", _PORT)
    create_layer(base, directory / "disk.qcow2", size=_DISK_SIZE)
    machine = _Template("template", template=directory)
    with machine:
        machine.start()
        machine.connect()
        # Under emulation a process starts three times as fast without this.
        machine.run_script("sysctl -q kernel.randomize_va_space=0", _STEP_LIMIT)
        machine.run_script("cloud-init status --wait", _FIRST_BOOT_LIMIT)
        machine.run_script("systemctl is-system-running --wait; sync", _FIRST_BOOT_LIMIT)
        machine.freeze()


class _Template(Qemu):
    """The machine that becomes a template: its disk and memory are the template's files themselves."""

    def __init__(self, name: str, *, template: Path) -> None:
        super().__init__(name, template=template)
        self._disk = template / "disk.qcow2"

    def launch(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair()
        monitor, monitor_theirs = socket.socketpair()
        with theirs, monitor_theirs:
            fds = (theirs.fileno(), monitor_theirs.fileno())
            memory = (self._template / "memory", True)
            argv = arguments("template", _disk_arguments(self._disk, None), self._template / "seed.iso", fds, memory)
            process = self.spawn(argv, fds)
        self._qmp = Qmp(monitor)
        return process, ours

    def freeze(self) -> None:
        """Stops the machine and writes the state of its devices; its memory is in a file already."""
        assert self._qmp is not None
        (self._template / "boot-id").write_text(self._line().boot_id or "")
        self._qmp.execute("stop")
        _ignore_shared_memory(self._qmp)
        self._qmp.execute("migrate", {"uri": f"exec:cat >{shlex.quote(str(self._template / 'state'))}"})
        self._qmp.wait_for_status("query-migrate", ("completed",), ("failed", "cancelled"))
        self._qmp.execute("quit")


def _ignore_shared_memory(qmp: Qmp) -> None:
    capability = {"capability": "x-ignore-shared", "state": True}
    qmp.execute("migrate-set-capabilities", {"capabilities": [capability]})


def _resume(qmp: Qmp, state: Path) -> None:
    _ignore_shared_memory(qmp)
    qmp.execute("migrate-incoming", {"uri": f"exec:cat {shlex.quote(str(state))}"})
    qmp.wait_for_status("query-status", ("paused", "running"))
    qmp.execute("cont")
