"""The words of the NixOS test driver that some machines have not, each with the reason."""

from __future__ import annotations

_QEMU = "only a machine under QEMU has {}; run with: --kind qemu"
_MONITOR, _KEYBOARD, _SCREEN = (_QEMU.format(what) for what in ("a monitor", "a keyboard", "a screen"))
_CONSOLE = "the console of a container takes no input; `shell_interact` leaves a shell in it"

_REASONS = {
    "console_interact": _CONSOLE,
    "dump_tty_contents": _SCREEN,
    "forward_port": _QEMU.format("ports that are forwarded"),
    "get_screen_text": _SCREEN,
    "get_screen_text_variants": _SCREEN,
    "get_tty_text": _SCREEN,
    "qmp_client": _MONITOR,
    "screenshot": _SCREEN,
    "send_chars": _KEYBOARD,
    "send_console": _CONSOLE,
    "send_key": _KEYBOARD,
    "send_monitor_command": _MONITOR,
    "shared_dir": "it shares no directory with the host; `copy_from_host` and `copy_from_machine` move files",
    "ssh_backdoor_command": "it has no back door by ssh; `shell_interact` leaves a root shell in it",
    "switch_root": "the initrd is the distribution's, and no test's: nothing can be run in it",
    "wait_for_monitor_prompt": _MONITOR,
    "wait_for_qmp_event": _MONITOR,
    "wait_for_text": _SCREEN,
    "wait_until_tty_matches": _SCREEN,
}


def why_absent(word: str) -> str | None:
    """Says why a machine has not a word of the driver's, if it is one. Pure."""
    return _REASONS.get(word)
