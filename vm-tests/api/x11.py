"""What the test driver knows of X11: windows by their names, of whatever X server runs in the machine as `:0`."""

from __future__ import annotations

import re

from api.machine import DEFAULT_TIMEOUT, Machine
from base.errors import RequestedAssertionFailed

_DISPLAY = "export DISPLAY=${DISPLAY:-:0}"


def window_names(tree: str) -> list[str]:
    """Returns the names in what `xwininfo -root -tree` prints; windows without one are left out. Pure."""
    return re.findall(r'^ +0x[0-9a-f]+ "(.*)": \(', tree, re.MULTILINE)


class X11Machine(Machine):
    """A machine that may have an X server. Needs `xwininfo` in it (of x11-utils)."""

    def wait_for_x(self, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Waits until the X server answers."""
        with self.nested("waiting for the X server"):
            self.wait_until_succeeds(f"{_DISPLAY}; test -S /tmp/.X11-unix/X${{DISPLAY##*:}}", timeout)
            self.wait_until_succeeds(f"{_DISPLAY}; xwininfo -root", timeout)

    def get_window_names(self) -> list[str]:
        """Returns the names of all windows that have one."""
        return window_names(self.succeed(f"{_DISPLAY}; xwininfo -root -tree"))

    def wait_for_window(self, regexp: str, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Waits until the name of a window has a match."""
        limit = self._scaled(timeout)
        names: list[str] = []

        def attempt(_: float) -> bool:
            nonlocal names
            names = self.get_window_names()
            return any(re.search(regexp, name) for name in names)

        with self.nested(f"waiting for a window `{regexp}`"):
            if not self._poll(attempt, limit):
                raise RequestedAssertionFailed(
                    f"{self.name}: no window had a name like `{regexp}` within {limit:g} seconds, but: {names}"
                )
