"""Many hosts at once: each has its own end, and those that failed are tried again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from program.fleet import Fleet, Place

WANTED = """
  {
    environment.etc."hello".text = "%s";
    system.activationScripts.fails.text = "test ! -e /fails";
    system-manager.healthChecks.web = { script = "test ! -e /unwell"; retries = 0; };
  }
"""


def source(folder: Path, text: str) -> list[str]:
    """Writes a configuration and returns the options that name it."""
    file = folder / "system.nix"
    file.write_text(text)
    return ["--nixpkgs", "embedded", "--file", str(file)]


@pytest.fixture
def fleet(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fleet]:
    """Gives running hosts, as many as the test asks for."""
    if os.geteuid() != 0:
        pytest.skip("hosts have roots of their own; run as root")
    with Fleet(tmp_path, request.param).running() as fleet:
        yield fleet


@pytest.mark.parametrize("fleet", [50], indirect=True)
def test_fifty_hosts_have_an_end_each_and_five_of_them_are_tried_again(fleet: Fleet, tmp_path: Path) -> None:
    wanted = source(tmp_path, WANTED % "one")
    dead, failing, unwell = fleet.places[3:6], fleet.places[17], fleet.places[31]
    for place in dead:
        place.dead.touch()
    failing.switch("fails", True)
    unwell.switch("unwell", True)
    output = fleet.run("switch", *wanted, "--hosts", str(fleet.list), expect=5)
    assert "total: 45 done, 1 failed, 1 returned, 3 refused" in output, output
    bad = {*dead, failing, unwell}
    for place in fleet.places:
        expected = None if place in dead or place is unwell else "one"
        assert place.read("etc/hello") == expected, place
        assert (f"{place.name}  done" in output) == (place not in bad), place

    # Nothing was changed since: only the five are tried again, and the truth is told of each.
    for place in dead:
        place.dead.unlink()
    failing.switch("fails", False)
    unwell.switch("unwell", False)
    again = fleet.run("--json", "-q", "switch", *wanted, "--hosts", str(fleet.list), "--retry-failed")
    recap = json.loads(again[again.index("{\n") :])
    assert {row["host"] for row in recap["hosts"]} == {place.name for place in bad}
    assert {row["code"] for row in recap["hosts"]} == {0}
    assert [place.read("etc/hello") for place in fleet.places] == ["one"] * 50


@pytest.mark.parametrize("fleet", [3], indirect=True)
def test_on_a_terminal_each_host_has_a_line_that_is_written_anew(fleet: Fleet, tmp_path: Path) -> None:
    hosts = ["--hosts", str(fleet.list), "--parallel", "1"]
    shown = fleet.on_terminal("switch", *source(tmp_path, WANTED % "one"), *hosts)
    # Up over the two lines before the last one, and all of them anew.
    *frames, end = shown.split("\x1b[2A\x1b[J")
    seen = [line.split("  ")[-1].strip() for frame in frames for line in frame.splitlines()]
    assert {"waits", "done"} <= set(seen), shown
    # What takes less time than there is between two frames is not seen each time.
    brief = ("building", "connecting", "sending", "activating, as run", "reaching it again", "reached again, and")
    assert sum(any(text.startswith(what) for text in seen) for what in brief) >= 2, shown
    lines = [line for line in frames[-1].splitlines() if line.startswith("h0")]
    assert [line.split()[0] for line in lines[-3:]] == ["h00", "h01", "h02"], lines
    # At the end there is nothing of it, but what came of each.
    assert "connecting" not in end and "total: 3 done" in end, end

    # Neither in a pipe nor for those who want quiet: there, what is news is a line that stays.
    plain = fleet.run("switch", *source(tmp_path, WANTED % "two"), *hosts)
    assert "\x1b" not in plain, plain
    assert "h01: activating, as run" in plain and "h01: reached again, and confirmed" in plain, plain
    assert "\x1b[2A" not in fleet.on_terminal("-q", "switch", *source(tmp_path, WANTED % "three"), *hosts)
    # Where not all of them are on the screen at once, nothing is written anew that has scrolled away.
    low = fleet.on_terminal("switch", *source(tmp_path, WANTED % "low"), *hosts, rows=6)
    assert "3 hosts: " in low, low
    assert "\x1b[2A" not in low, low


def built(fleet: Fleet, folder: Path, text: str) -> str:
    """Builds a configuration, and returns its toplevel."""
    return fleet.run("-q", "build", *source(folder, text)).strip().splitlines()[-1]


def require_whole(place: Place) -> None:
    """Requires that each path in a host's store is what it is here."""
    store = place.root / "nix/store"
    for path in store.iterdir() if store.exists() else ():
        if not path.name.startswith("."):
            subprocess.run(["diff", "-r", "--no-dereference", path, f"/nix/store/{path.name}"], check=True, timeout=60)


CUT = """\
import os, sys
left = int(sys.argv[1])
while left and (piece := os.read(0, min(left, 65536))):
    os.write(1, piece)
    left -= len(piece)
"""


@pytest.mark.parametrize("fleet", [1], indirect=True)
def test_a_link_that_is_cut_at_any_of_fifty_bytes_leaves_nothing_half(fleet: Fleet, tmp_path: Path) -> None:
    [place] = fleet.places
    random = Random(5)
    files = []
    for number in range(30):
        file = tmp_path / f"file-{number}"
        file.write_bytes(random.randbytes(random.choice((10, 1000, 100_000, 400_000))))
        files.append(f'environment.etc."files/{number}".source = {file};')
    toplevel = built(fleet, tmp_path, f"{{ {' '.join(files)} }}")
    # How much goes over the link when the activator is there already.
    fleet.run("status", "--target-host", place.name, "--no-confirm")
    sent = tmp_path / "sent"
    place.wrap.write_text(f"tee {sent} | $enter env -i HOME=/root /bin/sh; exit\n")
    fleet.run("plan", toplevel, "--target-host", place.name)
    total = sent.stat().st_size
    assert total > 1_500_000, total
    cut = tmp_path / "cut.py"
    cut.write_text(CUT)
    resumed = 0
    for position in sorted(random.sample(range(total - 1000), 50)):
        shutil.rmtree(place.root / "nix", ignore_errors=True)
        place.wrap.write_text(f"python3 {cut} {position} | $enter env -i HOME=/root /bin/sh; exit\n")
        fleet.run("plan", toplevel, "--target-host", place.name, expect=1)
        require_whole(place)
        if position % 5 == 0:
            # It goes on where it was.
            place.wrap.write_text(f"tee {sent} | $enter env -i HOME=/root /bin/sh; exit\n")
            fleet.run("plan", toplevel, "--target-host", place.name)
            require_whole(place)
            assert not [path for path in (place.root / "nix/store").iterdir() if path.name.startswith(".")]
            resumed += total - sent.stat().st_size > total // 10
    assert resumed > 0


@pytest.mark.parametrize("fleet", [1], indirect=True)
def test_a_change_costs_what_changed_and_what_was_there_is_not_relied_upon(fleet: Fleet, tmp_path: Path) -> None:
    [place] = fleet.places
    random = Random(6)
    tree, one = tmp_path / "tree", tmp_path / "one"
    tree.mkdir()
    for number in range(30):
        (tree / f"file-{number}").write_bytes(random.randbytes(100_000))
    sent = tmp_path / "sent"
    place.wrap.write_text(f"tee {sent} | $enter env -i HOME=/root /bin/sh; exit\n")

    def push(content: bytes, text: str) -> int:
        one.write_bytes(content)
        entries = f'environment.etc = {{ one.source = {one}; tree.source = {tree}; text.text = "{text}"; }};'
        toplevel = built(fleet, tmp_path, f"{{ {entries} }}")
        fleet.run("plan", toplevel, "--target-host", place.name)
        return sent.stat().st_size

    first = random.randbytes(1_000_000)
    assert push(first, "a") > 4_000_000
    # One file, which the toplevel has once more to mend it.
    second = random.randbytes(1_000_000)
    assert push(second, "a") < 1.2 * len(second) + 50_000
    # One file of a folder that is one path.
    (tree / "file-7").write_bytes(random.randbytes(100_000))
    assert push(second, "a") < 1.2 * 100_000 + 50_000
    assert push(second, "b") < 50_000
    require_whole(place)

    # Somebody has written to one of them there, and another is gone.
    store = place.root / "nix/store"
    damaged = next(path for path in store.iterdir() if path.is_file() and path.read_bytes() == second)
    damaged.write_bytes(b"by hand")
    for path in store.glob("*-tree/file-9"):
        path.unlink()
    (tree / "file-7").write_bytes(random.randbytes(100_000))
    before = set(store.iterdir())
    # The toplevel and the folder go whole.
    assert push(second, "c") > 4_000_000
    for path in set(store.iterdir()) - before:
        subprocess.run(["diff", "-r", "--no-dereference", path, f"/nix/store/{path.name}"], check=True, timeout=60)


@pytest.mark.parametrize("fleet", [1], indirect=True)
def test_a_host_of_another_architecture_is_refused_before_anything_is_sent(fleet: Fleet, tmp_path: Path) -> None:
    [place] = fleet.places
    uname = place.root / "uname"
    uname.write_text("#!/bin/sh\necho Linux web riscv64\n")
    uname.chmod(0o755)
    place.wrap.write_text("$enter mount --bind /uname /usr/bin/uname\n")
    said = fleet.run("switch", *source(tmp_path, WANTED % "one"), "--target-host", place.name, expect=1)
    assert "its system is riscv64, but the activator is for x86_64" in said, said
    assert "build systemConfigs.riscv64-linux.web of a flake" in said and "sending" not in said, said
    assert not (place.root / "nix").exists() and not (place.root / "var/lib/system-manager").exists()


@pytest.mark.parametrize("fleet", [1], indirect=True)
def test_a_state_that_a_newer_program_wrote_is_not_guessed_at(fleet: Fleet, tmp_path: Path) -> None:
    [place] = fleet.places
    fleet.run("switch", *source(tmp_path, WANTED % "one"), "--target-host", place.name)
    state = place.root / "var/lib/system-manager/state.json"
    newer, count = re.subn(
        r'"version":(\d+)', lambda found: f'"version":{int(found[1]) + 1}', state.read_text(), count=1
    )
    assert count == 1
    state.write_text(newer)
    for command in (["switch", *source(tmp_path, WANTED % "two")], ["deactivate"]):
        said = fleet.run(*command, "--target-host", place.name, expect=1)
        assert "written by a newer system-manager" in said, said
        assert place.read("etc/hello") == "one" and state.read_text() == newer


@pytest.mark.parametrize("fleet", [1], indirect=True)
def test_what_is_asked_may_be_longer_than_an_argument(fleet: Fleet, tmp_path: Path) -> None:
    [place] = fleet.places
    for length in (10, 60_000, 120_000):
        message = "x" * length
        switch = ["switch", built(fleet, tmp_path, WANTED % length), "--target-host", place.name]
        fleet.run(*switch, "--message", message)
        # It changes nothing, and is what is asked with the first word where it is not too long.
        assert "No changes" in fleet.run(*switch, "--message", message[1:])
        command = [str(fleet.program), "generations", "--json", "--target-host", place.name]
        env = {**os.environ, "PATH": f"{fleet.folder / 'bin'}:{os.environ['PATH']}"}
        listed = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=60)
        assert json.loads(listed.stdout)["generations"][-1]["origin"]["message"] == message[1:]


@pytest.mark.parametrize("fleet", [2], indirect=True)
def test_what_can_not_be_remembered_changes_no_verdict(fleet: Fleet, tmp_path: Path) -> None:
    toplevel = built(fleet, tmp_path, WANTED % "one")
    # A file stands where the folder would be.
    shutil.rmtree(fleet.folder / "cache", ignore_errors=True)
    (fleet.folder / "cache").touch()
    output = fleet.run("switch", toplevel, "--hosts", str(fleet.list))
    assert "`--retry-failed` will not know of this run" in output and "total: 2 done" in output, output


PEAK = """\
import resource, subprocess, sys
subprocess.call(["/bin/sh"])
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
with open("/peaks", "w") as file:
    file.write(f"{peak}\\n")
"""


@pytest.mark.parametrize("fleet", [1], indirect=True)
def test_a_path_of_any_size_takes_the_same_memory_on_both_sides(fleet: Fleet, tmp_path: Path) -> None:
    [place] = fleet.places
    (place.root / "peak.py").write_text(PEAK)
    # There are no more than 512 MB for it.
    place.wrap.write_text('ulimit -v 524288\nexec $enter env -i HOME=/root PATH="$PATH" python3 /peak.py\n')
    # The target's end of a connection lives a little longer than ours. A pipe that is open for both is opened at once.
    os.mkfifo(place.root / "peaks")
    there = os.fdopen(os.open(place.root / "peaks", os.O_RDWR), "rb", buffering=0)
    fleet.run("status", "--target-host", place.name)
    there.readline()
    peaks = []
    for megabytes in (10, 1024):
        large = tmp_path / f"large-{megabytes}"
        with large.open("wb") as file:
            file.truncate(megabytes << 20)
        toplevel = built(fleet, tmp_path, f"{{ environment.etc.large.source = {large}; }}")
        large.unlink()
        process = fleet.start("register", toplevel, "--target-host", place.name)
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0, output
        assert any(path.name.endswith(large.name) for path in (place.root / "nix/store").iterdir())
        peaks.append((usage.ru_maxrss, int(there.readline())))
    there.close()
    (here, there_small), (here_large, there_large) = peaks
    # In kB. The activator itself is in memory here, while it is sent.
    assert here_large < here * 1.15 + 4000 and there_large < there_small * 1.15 + 4000, peaks
    assert there_large < 100_000, peaks
