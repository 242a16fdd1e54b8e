"""What a switch shows on a terminal while systemd works, and what stays: beside what it must look like.

`UPDATE_EXPECT=1 vm-tests/run test_looks.py` writes what is seen anew.
"""

from __future__ import annotations

import os
import re
import shlex
import time
from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from program.host import PROJECT, Host

LOOKS = PROJECT / "tests/looks"
LIMIT = 60.0

FIRST = """
{
  systemd.services.sm-slow = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig = { Type = "oneshot"; RemainAfterExit = true; };
    script = "until [ -e /run/sm-go ]; do sleep 0.1; done; echo 1";
  };
  systemd.services.sm-steady = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig.ExecStart = "/bin/sleep infinity";
  };
  systemd.services.sm-leaves = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig.ExecStart = "/bin/sleep infinity";
  };
}
"""

SECOND = """
{
  environment.etc."sm-file".text = "hello\\n";
  systemd.services.sm-slow = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig = { Type = "oneshot"; RemainAfterExit = true; };
    script = "until [ -e /run/sm-go ]; do sleep 0.1; done; echo 2";
  };
  systemd.services.sm-steady = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig.ExecStart = "/bin/sleep infinity";
    serviceConfig.ExecReload = "/bin/true";
    reloadTriggers = [ "2" ];
  };
  systemd.services.sm-fails = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig = { Type = "oneshot"; SyslogIdentifier = "sm"; };
    script = "echo the reason is told; exit 3";
  };
}
"""


class Terminal:
    """A terminal in a machine, by tmux."""

    def __init__(self, machine: SystemdMachine, width: int, colours: bool, command: str) -> None:
        """Runs a command; its exit code is shown when it has ended."""
        self._machine = machine
        no_color = "" if colours else "export NO_COLOR=1; "
        words = f'{no_color}export TZ=UTC; clear; {command}; echo "[ended: $?]"; exec sleep 600'
        self._tmux(f"new-session -d -x {width} -y 50 {shlex.quote(words)}")
        self._colours = "-e" if colours else ""

    def _tmux(self, arguments: str) -> str:
        output: str = self._machine.succeed(f"LC_ALL=C.UTF-8 tmux -L looks -f /dev/null {arguments}")
        return output

    def waits(self, form: str) -> str:
        """Waits until something is on the screen, and returns all of that."""
        end = time.monotonic() + LIMIT
        while True:
            plain = self._tmux("capture-pane -p -J -S -")
            if re.search(form, plain):
                return self._tmux(f"capture-pane -p -S - {self._colours}")
            assert time.monotonic() < end, f"{form} did not show:\n{plain}"

    def ends(self, code: int) -> str:
        """Waits for the end, and returns what stays."""
        screen = self.waits(r"\[ended: \d+\]")
        assert f"[ended: {code}]" in screen, screen
        self._tmux("kill-server")
        return screen.split("[ended: ")[0]


def _masked(screen: str) -> str:
    screen = screen.replace("\x1b", "␛")
    screen = re.sub(r"/nix/store/[0-9a-z]{32}-", "/nix/store/" + "0" * 32 + "-", screen)
    screen = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "YYYY-MM-DD HH:MM", screen)
    # When something was logged, and by which process.
    screen = re.sub(r"[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d", "MMM DD HH:MM:SS", screen)
    screen = re.sub(r"\[\d+\]: ", "[N]: ", screen)
    # The journal has it from the service, and all else from systemd: in no order.
    screen = re.sub(r" *MMM DD HH:MM:SS machine sm\[N\]: the reason is told\n", "", screen)
    screen = re.sub(r", \d+ s\b", ", N s", screen)
    screen = re.sub(r"\d+ GB free", "N GB free", screen)
    return "\n".join(line.rstrip() for line in screen.rstrip().splitlines()) + "\n"


def _compare(name: str, width: int, colours: bool, screen: str) -> None:
    file = LOOKS / f"{name}-{width}{'-colours' if colours else ''}.txt"
    seen = _masked(screen)
    if os.environ.get("UPDATE_EXPECT"):
        file.write_text(seen)
    assert seen == file.read_text(), f"{file} differs; UPDATE_EXPECT=1 accepts it"


# Each width and both ways of colour are seen; the other two pairs take another minute.
@pytest.mark.parametrize(
    ("width", "colours"),
    [
        (80, True),
        (120, False),
        pytest.param(80, False, marks=pytest.mark.slow),
        pytest.param(120, True, marks=pytest.mark.slow),
    ],
)
def test_a_switch_shows_which_units_it_waits_for_and_what_became_of_them(
    machine: SystemdMachine, tmp_path: Path, request: pytest.FixtureRequest, width: int, colours: bool
) -> None:
    if request.config.getoption("--image"):
        pytest.skip("the words of systemd are those of Debian 12; run without --image")
    host = Host(machine, tmp_path)
    first, second = host.bring(FIRST), host.bring(SECOND)

    def look(name: str, command: str, code: int = 0, waits: str = "") -> None:
        terminal = Terminal(machine, width, colours, f"system-manager {command}")
        if waits:
            screen = terminal.waits(waits)
            live = [line for line in screen.splitlines() if "step " in line]
            assert len(live) == 1, screen
            _compare(f"{name}-live", width, colours, live[0])
            machine.succeed("touch /run/sm-go")
        screen = terminal.ends(code)
        assert code == 0 or "the reason is told" in screen, screen
        _compare(name, width, colours, screen)

    waiting = r"starting .*sm-slow\.service.*, \d+ s"
    look("units-plan", f"plan {first}")
    host.run("register", first)
    look("units-start", "activate", waits=waiting)
    machine.succeed("rm /run/sm-go")
    look("units-plan-changes", f"plan {second}")
    host.run("register", second)
    look("units-change", "activate", 4, waits=waiting)
    look("units-status", "status")
    look("units-deactivate", "deactivate")
