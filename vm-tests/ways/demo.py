"""The demonstration: a machine without Nix becomes a web server and then is what it was. See `examples/demo`."""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from base.errors import MachineError
from judges.snapshot import assert_same, take_snapshot
from kinds import make_machine, missing
from program.host import PROJECT, Host

EXAMPLE = PROJECT / "examples/nginx.nix"
PAGE = "http://localhost:8080/"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hides the driver's log: here the program itself is what is shown."""
    with contextlib.redirect_stderr(io.StringIO()):
        yield


def _show(title: str, output: str) -> None:
    print(f"\n\033[1m{title}\033[0m" if sys.stdout.isatty() else f"\n{title}")
    print("".join(f"    {line}\n" for line in output.splitlines()), end="", flush=True)


def main() -> int:
    """Runs the demonstration and returns the exit code."""
    if lacking := missing("container"):
        print(f"error: {lacking}", file=sys.stderr)
        return 1
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        machine = make_machine("container", "demo", out_dir=Path(folder))
        try:
            print("demo: 4 of 4: building the configuration, and starting the container", file=sys.stderr, flush=True)
            with _quiet():
                host = Host(machine, Path(folder))
                toplevel = host.bring(EXAMPLE)
                before = take_snapshot(machine)
            _show("$ system-manager build --file examples/nginx.nix     # here, with Nix", toplevel)
            for arguments in (["plan", toplevel], ["register", toplevel], ["activate"]):
                with _quiet():
                    output = host.run(*arguments)
                shown = " ".join(argument.replace(toplevel, "TOPLEVEL") for argument in arguments)
                _show(f"$ system-manager {shown}     # in a container without Nix", output)
            with _quiet():
                machine.wait_for_open_port(8080)
                page = machine.succeed(f"curl --fail --silent --show-error {PAGE}")
            _show(f"$ curl {PAGE}", page)
            for command in ("status", "deactivate"):
                with _quiet():
                    output = host.run(command)
                _show(f"$ system-manager {command}", output)
            with _quiet():
                assert_same(before, take_snapshot(machine))
            _show("/etc", f"is as it was before: {len(before)} files, their modes, owners and attributes compared")
        except MachineError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        finally:
            with _quiet():
                machine.release()
    print(f"\nDone in {time.monotonic() - began:.1f} s; the container is gone.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
