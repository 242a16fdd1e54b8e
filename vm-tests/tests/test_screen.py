"""Monitor, keyboard, screen and forwarded ports of a machine under QEMU."""

from __future__ import annotations

import socket
import urllib.request
from pathlib import Path
from shutil import which

import pytest

from api.systemd_api import SystemdMachine
from base.errors import MachineError, RequestedAssertionFailed
from kinds.screen import ScreenMachine, key_of


@pytest.mark.parametrize(("char", "key"), [("a", "a"), ("A", "shift-a"), ("7", "7"), ("&", "shift-7"), ("\n", "ret")])
def test_characters_have_their_keys(char: str, key: str) -> None:
    assert key_of(char) == key


@pytest.mark.kinds("qemu")
@pytest.mark.timeout(1800)
def test_keyboard_screen_monitor_and_ports(machine: SystemdMachine, tmp_path: Path) -> None:
    assert isinstance(machine, ScreenMachine)
    machine.succeed("systemctl stop getty@tty1.service")
    program = 'echo READY; read line; echo "Got: $line"; sleep 600'
    machine.execute(f"exec setsid sh -c '{program}' <>/dev/tty1 >&0", check_output=False)
    machine.wait_until_tty_matches("1", "READY", timeout=60)
    machine.send_chars("Some, Text_1\n")
    machine.wait_until_tty_matches("1", "Got: Some, Text_1", timeout=60)
    with pytest.raises(RequestedAssertionFailed, match="showed no `never`"):
        machine.wait_until_tty_matches("1", "never", timeout=0.2)

    machine.screenshot("screen")
    assert (tmp_path / "screen.png").read_bytes().startswith(b"\x89PNG")

    assert "running" in machine.send_monitor_command("info status")
    machine.send_monitor_command("stop")
    assert machine.wait_for_qmp_event(lambda event: event["event"] == "STOP", timeout=10)["event"] == "STOP"
    machine.send_monitor_command("cont")
    with pytest.raises(RequestedAssertionFailed, match="no such event"):
        machine.wait_for_qmp_event(lambda event: event["event"] == "NONE", timeout=0.2)

    machine.execute("exec python3 -m http.server 8000", check_output=False)
    machine.wait_for_open_port(8000)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    machine.forward_port(port, 8000)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
        assert answer.status == 200
    with pytest.raises(MachineError, match="forwarding port"):
        machine.forward_port(port, 8000)


@pytest.mark.kinds("qemu")
@pytest.mark.timeout(1800)
def test_text_on_the_screen_is_read(machine: SystemdMachine) -> None:
    if which("tesseract") is None:
        pytest.skip("tesseract is not installed; run with: apt-get install tesseract-ocr && vm-tests/run --kind qemu")
    assert isinstance(machine, ScreenMachine)
    machine.succeed("systemctl stop getty@tty1.service; echo The quick brown fox, 0123 >/dev/tty1")
    machine.wait_for_text("quick brown fox, 0123", timeout=60)
    assert "The quick brown fox, 0123" in machine.get_screen_text()
    assert len(machine.get_screen_text_variants()) == 2
    with pytest.raises(RequestedAssertionFailed, match="the screen showed no `lazy dog`"):
        machine.wait_for_text("lazy dog", timeout=0.5)
