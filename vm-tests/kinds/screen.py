"""What a machine under QEMU has besides a line for commands: monitor, keyboard, screen, and forwarded ports."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

from api.machine import DEFAULT_TIMEOUT
from base.errors import MachineError, RequestedAssertionFailed
from base.process import run
from kinds.agent_machine import AgentMachine
from kinds.qmp import Qmp

_READ_LIMIT = 120.0

# The keys of the characters that aren't named by themselves, on a keyboard of the USA; QEMU's names.
_KEYS = {
    **{letter: f"shift-{letter.lower()}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
    **dict(zip("!@#$%^&*()", (f"shift-{digit}" for digit in "1234567890"), strict=True)),
    "-": "minus",
    "_": "shift-minus",
    "=": "equal",
    "+": "shift-equal",
    "[": "bracket_left",
    "{": "shift-bracket_left",
    "]": "bracket_right",
    "}": "shift-bracket_right",
    ";": "semicolon",
    ":": "shift-semicolon",
    "'": "apostrophe",
    '"': "shift-apostrophe",
    "`": "grave_accent",
    "~": "shift-grave_accent",
    "\\": "backslash",
    "|": "shift-backslash",
    ",": "comma",
    "<": "shift-comma",
    ".": "dot",
    ">": "shift-dot",
    "/": "slash",
    "?": "shift-slash",
    " ": "spc",
    "\n": "ret",
    "\t": "tab",
    "\b": "backspace",
    "\x1b": "esc",
}


def key_of(char: str) -> str:
    """Returns QEMU's name of the key, or keys, that type a character. Pure."""
    return _KEYS.get(char, char)


class ScreenMachine(AgentMachine):
    """A machine with a monitor, a keyboard and a screen."""

    @abstractmethod
    def monitor(self) -> Qmp:
        """Returns the connection to the monitor; raises when the machine is off."""

    @property
    def qmp_client(self) -> Qmp:
        """The connection to the monitor."""
        return self.monitor()

    def send_monitor_command(self, command: str) -> str:
        """Runs a command of QEMU's monitor for people, and returns what it prints."""
        printed: str = self.monitor().execute("human-monitor-command", {"command-line": command})
        return printed

    def wait_for_monitor_prompt(self) -> str:
        """Waits until the monitor takes commands."""
        return self.send_monitor_command("info status")

    def wait_for_qmp_event(
        self, event_filter: Callable[[dict[str, Any]], bool], timeout: float = 600.0
    ) -> dict[str, Any]:
        """Waits until QEMU tells of an event that `event_filter` accepts, and returns it."""
        limit = self._scaled(timeout)
        with self.nested("waiting for an event of QEMU"):
            found = self.monitor().next_event(event_filter, limit)
        if found is None:
            raise RequestedAssertionFailed(f"{self.name}: there was no such event within {limit:g} seconds")
        return found

    def forward_port(self, host_port: int = 8080, guest_port: int = 80) -> None:
        """Makes a port of the machine reachable as one of the host's loopback."""
        said = self.send_monitor_command(f"hostfwd_add net0 tcp:127.0.0.1:{host_port}-:{guest_port}")
        if said.strip():
            raise MachineError(f"{self.name}: forwarding port {host_port}: {said.strip()}")

    def send_key(self, key: str, delay: float | None = 0.01, log: bool | None = True) -> None:
        """Presses a key, or several at once, by QEMU's names: `ret`, `ctrl-alt-delete`."""
        if log:
            self.log(f"pressing {key}")
        said = self.send_monitor_command(f"sendkey {key_of(key)}")
        if said.strip():
            raise MachineError(f"{self.name}: pressing `{key}`: {said.strip()}")
        # QEMU holds a key for 100 ms, and the guest loses what comes faster than it can take.
        time.sleep((delay or 0) + 0.1)

    def send_chars(self, chars: str, delay: float | None = 0.01) -> None:
        """Types a text on the keyboard."""
        with self.nested(f"typing {chars!r}"):
            for char in chars:
                self.send_key(char, delay, log=False)

    def screenshot(self, filename: str) -> None:
        """Writes the screen to a PNG file: `filename` itself, or NAME.png in the output directory."""
        target = Path(filename) if filename.endswith(".png") else self.out_dir / f"{filename}.png"
        self.monitor().execute("screendump", {"filename": os.path.abspath(target), "format": "png"})
        self.log(f"screenshot: {target}")

    def get_screen_text(self) -> str:
        """Reads what the screen shows. Needs tesseract on the host."""
        return self.get_screen_text_variants(1)[0]

    def get_screen_text_variants(self, most: int = 2) -> list[str]:
        """Reads what the screen shows, as one block of text and as scattered words."""
        if shutil.which("tesseract") is None:
            raise MachineError("reading a screen needs tesseract; run: apt-get install tesseract-ocr")
        with tempfile.TemporaryDirectory(dir=self.state_dir) as work:
            picture = f"{work}/screen.png"
            self.screenshot(picture)
            texts = []
            for mode in ("6", "11")[:most]:
                done = run(["tesseract", picture, "-", "--psm", mode], _READ_LIMIT, env=dict(os.environ))
                if done.status != 0:
                    raise MachineError(f"{self.name}: reading the screen: {done.errors}")
                texts.append(done.text)
        return texts

    def wait_for_text(self, regex: str, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Waits until the screen shows a match. Needs tesseract on the host."""
        limit = self._scaled(timeout)
        with self.nested(f"waiting for `{regex}` on the screen"):
            if not self._poll(lambda _: any(re.search(regex, text) for text in self.get_screen_text_variants()), limit):
                raise RequestedAssertionFailed(f"{self.name}: the screen showed no `{regex}` within {limit:g} seconds")

    def get_tty_text(self, tty: str) -> str:
        """Returns the text on a virtual terminal, such as `1`, a line each."""
        width = f"$(stty -F /dev/tty{tty} size | cut -d ' ' -f 2)"
        return self.succeed(f"fold -w {width} /dev/vcs{tty}")

    def dump_tty_contents(self, tty: str) -> None:
        """Logs the text on a virtual terminal."""
        self.log(self.get_tty_text(tty))

    def wait_until_tty_matches(self, tty: str, regexp: str, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Waits until the text on a virtual terminal has a match."""
        limit = self._scaled(timeout)
        shown = ""

        def attempt(_: float) -> bool:
            nonlocal shown
            shown = self.get_tty_text(tty)
            return bool(re.search(regexp, shown))

        with self.nested(f"waiting for `{regexp}` on tty{tty}"):
            if not self._poll(attempt, limit):
                raise RequestedAssertionFailed(
                    f"{self.name}: tty{tty} showed no `{regexp}` within {limit:g} seconds, but:\n{shown}"
                )
