"""How long switches take, beside the least that systemd itself takes for the same. Called by `tests/bench/switch`."""

from __future__ import annotations

import contextlib
import io
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from base.errors import MachineError
from kinds import make_machine, missing
from program.host import Host

UNITS = 200
TEMPLATE = """
{ lib, ... }: {
  systemd.services = lib.genAttrs (map (n: "sm-${toString n}") (lib.range 1 COUNT)) (name: {
    wantedBy = [ "multi-user.target" ];
    environment.V = if name == "sm-1" then "UNIT" else "0";
    serviceConfig.ExecStart = "/bin/sleep infinity";
    serviceConfig.ExecStop = "/bin/true";
  });
  environment.etc."sm-file" = { text = "FILE"; mode = "0644"; };
}
"""
HERE = "/etc/systemd/system"
ALL = f"$(seq -f sm-%g.service {UNITS})"


def configuration(unit: str = "0", file: str = "0") -> str:
    """Returns a host with many services; `unit` changes one of them, `file` a file."""
    return TEMPLATE.replace("COUNT", str(UNITS)).replace("UNIT", unit).replace("FILE", file)


class Bench:
    """Collects times, in seconds, by what was done and by whom."""

    def __init__(self, host: Host) -> None:
        """Brings the generations into the machine."""
        self.host = host
        self.base = host.bring(configuration())
        self.unit = host.bring(configuration(unit="1"))
        self.file = host.bring(configuration(file="1"))
        self.tell_nix()
        self.times: dict[tuple[str, str], list[float]] = {}

    def tell_nix(self) -> None:
        """Tells the machine's Nix of the generations, as if built there: it is asked for their packages."""
        ask = ["nix-store", "--query", "--requisites", self.base, self.unit, self.file]
        paths = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.split()
        database = self.host.folder / "database"
        with database.open("w") as file:
            subprocess.run(["nix-store", "--dump-db", *paths], stdout=file, check=True)
        self.host.machine.copy_from_host(str(database), "/run/database")
        self.host.machine.succeed("NIX_CONFIG='build-users-group =' nix-store --load-db </run/database")

    def time(self, what: str, who: str, command: str) -> None:
        """Runs a command in the machine and keeps how long it took there."""
        timed = f"b=$(date +%s%N); {{ {command}; }} >/dev/null 2>/run/bench.err; e=$(date +%s%N); echo $((e - b))"
        self.times.setdefault((what, who), []).append(int(self.host.machine.succeed(timed)) / 1e9)

    def round(self) -> None:
        """Does each thing once, by the program and by hand."""
        succeed = self.host.machine.succeed
        activate = "system-manager activate"
        units = f"{self.base}/etc/systemd/system"

        self.time("first activation of 200 units", "ours", f"{activate} {self.base}")
        self.time("no-op", "ours", f"{activate} {self.base}")
        self.time("no-op", "floor", f"systemctl show -P ActiveState {ALL}")
        self.time("one changed file", "ours", f"{activate} {self.file}")
        copy_file = "cp /etc/sm-file /etc/.sm-file; mv /etc/.sm-file /etc/sm-file; sync -f /etc"
        self.time("one changed file", "floor", copy_file)
        succeed(f"{activate} {self.base}")
        self.time("one changed unit among 200", "ours", f"{activate} {self.unit}")
        self.time("one changed unit among 200", "floor", "systemctl daemon-reload; systemctl restart sm-1.service")
        succeed("system-manager deactivate")
        copy = f"cp -a {units}/. {HERE}/"
        self.time("first activation of 200 units", "floor", f"{copy}; systemctl daemon-reload; systemctl start {ALL}")
        succeed(f"systemctl stop {ALL}", f"rm -rf {HERE}/sm-* {HERE}/multi-user.target.wants/sm-*")
        succeed("systemctl daemon-reload")

    def report(self) -> None:
        """Prints a table in Markdown."""
        print("| | best | median | floor, best | floor, median | ratio |\n| --- | --- | --- | --- | --- | --- |")
        for what in ("no-op", "one changed file", "one changed unit among 200", "first activation of 200 units"):
            ours, floor = (self.times[what, who] for who in ("ours", "floor"))
            middle, least = statistics.median(ours), statistics.median(floor)
            print(
                f"| {what} | {min(ours):.3f} s | {middle:.3f} s"
                f" | {min(floor):.3f} s | {least:.3f} s | {middle / least:.1f} |"
            )


def main() -> int:
    """Runs the benchmark and returns the exit code."""
    if lacking := missing("container"):
        print(f"error: {lacking}", file=sys.stderr)
        return 1
    rounds = int(sys.argv[1]) if sys.argv[1:] else 5
    with tempfile.TemporaryDirectory() as folder:
        machine = make_machine("container", "bench", out_dir=Path(folder))
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                bench = Bench(Host(machine, Path(folder)))
                for _ in range(rounds):
                    bench.round()
            bench.report()
        except MachineError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        finally:
            with contextlib.redirect_stderr(io.StringIO()):
                machine.release()
    return 0


if __name__ == "__main__":
    sys.exit(main())
