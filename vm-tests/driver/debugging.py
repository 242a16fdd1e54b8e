"""The `debug` of a test script: stops it where it is, for whoever sits before a terminal."""

from __future__ import annotations

import code
import signal
import sys

from base.log import log


class Debug:
    """Leaves a Python prompt in the middle of a script."""

    def breakpoint(self, host: str = "127.0.0.1", port: int = 4444) -> None:  # noqa: ARG002
        """Leaves a prompt with the script's names, until it ends (Ctrl-D); does nothing where there is no terminal.

        NixOS's driver listens on `host` and `port` for a debugger; the terminal is at hand here. The time limit of the
        test waits.
        """
        if not sys.stdin.isatty():
            log("a breakpoint: nobody is at a terminal, so the script goes on")
            return
        frame = sys._getframe(1)
        names = {**frame.f_globals, **frame.f_locals}
        left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            code.interact(banner=f"breakpoint at line {frame.f_lineno}; Ctrl-D goes on", local=names, exitmsg="")
        finally:
            signal.setitimer(signal.ITIMER_REAL, left)
