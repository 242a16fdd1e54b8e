"""Other hosts: what is evaluated and built here reaches machines over ssh, and comes back when it cuts them off."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path
from random import Random

import pytest

from conftest import MakeTargets
from judges.snapshot import assert_same, take_snapshot
from kinds.container import Container
from program.host import PROGRAM, PROJECT, build

HELLO = """
  {
    environment.etc."hello".text = "%s";
    systemd.services.hello = { wantedBy = [ "multi-user.target" ]; script = "echo %s"; };
  }
"""


def source(folder: Path, text: str) -> list[str]:
    """Writes a configuration and returns the options that name it."""
    file = folder / "system.nix"
    file.write_text(text)
    return ["--nixpkgs", "embedded", "--file", str(file)]


def test_a_host_without_nix_is_planned_switched_followed_and_left_as_it_was(
    make_targets: MakeTargets, tmp_path: Path
) -> None:
    deployer, [target] = make_targets("target")
    target.fail("test -e /nix")
    before = take_snapshot(target)
    wanted = source(tmp_path, HELLO % ("one", "one"))
    said = deployer.on(target, "plan", *wanted, "--substitute-on-destination", expect=1)
    assert "there is no Nix that could fetch paths" in said, said

    plan = deployer.on(target, "plan", *source(tmp_path, HELLO % ("one", "one")))
    assert "+ /etc/hello" in plan and "+ /etc/systemd/system/hello.service" in plan, plan
    target.fail("test -e /etc/hello")

    output = deployer.on(target, "switch", *source(tmp_path, HELLO % ("one", "one")))
    assert "confirmed" in output, output
    assert target.succeed("cat /etc/hello") == "one"
    assert target.get_unit_property("hello.service", "Result") == "success"
    assert target.succeed("stat -c %a /var/lib/system-manager") == "711\n"
    target.fail("test -e /var/lib/system-manager/confirm.json", "ls /etc/systemd/system/system-manager-return.service")

    # Nothing is sent twice, and a second switch does nothing.
    again = deployer.on(target, "switch", *source(tmp_path, HELLO % ("one", "one")))
    assert "sending" not in again, again
    deployer.on(target, "switch", *source(tmp_path, HELLO % ("two", "two")))
    assert target.succeed("cat /etc/hello") == "two"

    listed = deployer.json(target, "generations")
    assert [g["number"] for g in listed["generations"]] == [1, 2]
    deployer.on(target, "rollback")
    assert target.succeed("cat /etc/hello") == "one"
    assert "active: generation 1" in deployer.on(target, "status")

    # Garbage is what no generation needs.
    assert "0 paths have been removed" in deployer.on(target, "gc")
    target.succeed("rm /nix/var/nix/profiles/system-manager-profiles/system-manager-2-link")
    count = int(target.succeed("ls /nix/store | wc -l"))
    assert "- /nix/store/" in deployer.on(target, "gc")
    # The toplevel, two files, and the unit.
    assert int(target.succeed("ls /nix/store | wc -l")) == count - 4
    assert target.succeed("cat /etc/hello") == "one"

    deployer.on(target, "deactivate")
    assert_same(before, take_snapshot(target))


STAYS = """
  {
    environment.etc."hello".text = "one";
    systemd.services.hello = {
      wantedBy = [ "multi-user.target" ];
      serviceConfig = { Type = "oneshot"; RemainAfterExit = true; };
      script = "echo one";
    };
  }
"""


def test_a_switch_that_changes_nothing_says_what_the_host_itself_would_say(
    make_targets: MakeTargets, tmp_path: Path
) -> None:
    deployer, [target] = make_targets("target")
    wanted = source(tmp_path, STAYS)
    deployer.on(target, "switch", *wanted)
    program = target.succeed("ls -t /var/lib/system-manager/agent/* | head -1").strip()
    toplevel = target.succeed("readlink -f /nix/var/nix/profiles/system-manager-profiles/system-manager").strip()
    runs = "ls /var/lib/system-manager/runs"

    def both(expect: int, *flags: str) -> str:
        """Switches there and from here, with the same words on standard output and the same end; returns them."""
        code, itself = target.execute(f"{program} switch {toplevel} {' '.join(flags)} 2>/dev/null")
        command = [*deployer.command("switch", *wanted, *flags), "--target-host", f"root@{deployer.address(target)}"]
        done = subprocess.run(command, env=deployer.environment(), capture_output=True, text=True, timeout=300)
        assert (code, done.returncode) == (expect, expect), (itself, done)
        assert done.stdout.strip() == itself.strip(), done
        return itself

    before = target.succeed(runs)
    assert "No changes" in both(0)
    assert json.loads(both(0, "--json"))["isUntouched"]
    # A unit that has failed since is told, and nothing is done for all that.
    folder = "/run/systemd/system/hello.service.d"
    fails = "[Service]\\nExecStart=\\nExecStart=/bin/false\\n"
    target.succeed(f"mkdir -p {folder} && printf '{fails}' >{folder}/fails.conf")
    target.succeed("systemctl daemon-reload", "! systemctl restart hello.service")
    assert "hello.service" in both(0)
    assert target.succeed(runs) == before
    # Who else works on the host is named.
    holder = "exec 9<>/var/lib/system-manager/lock; flock 9; echo 'a test, process 7' >&9; touch /run/held; sleep 600"
    target.succeed(f"systemd-run --unit=holder bash -c {shlex.quote(holder)}")
    wait_for(target, "test -e /run/held")
    assert "a test, process 7 holds" in deployer.on(target, "switch", *wanted, expect=1)
    target.succeed("systemctl stop holder.service")
    target.succeed(f"rm -r {folder}", "systemctl daemon-reload", "systemctl restart hello.service")
    # What somebody has changed is put right, by a run like any other.
    target.succeed("rm /etc/hello", "echo mine >/etc/hello")
    said = deployer.on(target, "switch", *wanted)
    assert "confirmed" in said and target.succeed("cat /etc/hello") == "one", said
    assert target.succeed(runs) != before


BREAKS = {
    "sshd": "systemctl stop ssh.socket ssh.service 2>/dev/null; pkill -x sshd",
    "routes": "ip route flush dev eth1",
    "filter": "nft 'table inet cut { chain input { type filter hook input priority 0; policy drop; }; }'",
    "link": "ip link set eth1 down",
}
BREAKS["all"] = "; ".join(BREAKS.values())

CUTS = """
  {
    environment.etc."hello".text = "cut off";
    systemd.services.cut = {
      wantedBy = [ "multi-user.target" ];
      serviceConfig = { Type = "oneshot"; RemainAfterExit = true; };
      path = [ "/usr" ];
      script = ''
        PATH=/usr/sbin:/usr/bin
        %s
      '';
      preStop = ''
        PATH=/usr/sbin:/usr/bin
        %s
      '';
    };
  }
"""
"""A generation that cuts the host off, and whose end gives it back."""

BACK = """
  nft delete table inet cut 2>/dev/null || true
  ip link set eth1 up
  ip route replace 192.168.1.0/24 dev eth1
  systemctl start ssh.service
"""


@pytest.mark.parametrize(
    ("broken", "managed"),
    [*((broken, "a generation before") for broken in BREAKS), ("sshd", "nothing before"), ("all", "nothing before")],
)
def test_a_host_that_a_switch_cuts_off_returns_by_itself(
    broken: str, managed: str, make_targets: MakeTargets, tmp_path: Path
) -> None:
    deployer, [target] = make_targets("target", image="debian-12-remote")
    if managed == "a generation before":
        deployer.on(target, "switch", *source(tmp_path, HELLO % ("one", "one")))
    before = take_snapshot(target)
    cuts = source(tmp_path, CUTS % (BREAKS[broken], BACK))
    output = deployer.on(target, "switch", "--confirm-timeout", "5", *cuts, expect=5)
    assert "has returned to its previous state" in output, output
    assert_same(before, take_snapshot(target))
    assert target.execute("cat /etc/hello")[1] == ("one" if managed == "a generation before" else "")
    target.succeed("! test -e /var/lib/system-manager/confirm.json")
    # It can be switched again, and tells how the last run went.
    assert deployer.on(target, "switch", "--attach", expect=5)
    deployer.on(target, "switch", *source(tmp_path, HELLO % ("two", "two")))
    assert target.succeed("cat /etc/hello") == "two"


def wait_for(target: Container, condition: str) -> None:
    target.wait_until_succeeds(condition, timeout=90)


def test_what_interrupts_the_window_leads_back(make_targets: MakeTargets, tmp_path: Path) -> None:
    deployer, [target] = make_targets("target")
    deployer.on(target, "switch", *source(tmp_path, HELLO % ("one", "one")))
    before = take_snapshot(target)
    address = f"root@{deployer.address(target)}"
    pending = "test -e /var/lib/system-manager/confirm.json"
    slow = source(tmp_path, SLOW)

    # The deployer goes while the activation runs: it ends there, nobody confirms, and the host returns.
    process = deployer.start("switch", *slow, "--confirm-timeout", "5", "--target-host", address)
    wait_for(target, "test -e /run/slow")
    # A second deployer is told so, and neither confirms nor cancels.
    said = deployer.on(target, "switch", *source(tmp_path, HELLO % ("two", "two")), expect=1)
    # Who holds it is told.
    held = f"by {os.environ.get('USER', os.getuid())}@{os.uname().nodename} has not been confirmed"
    assert held in said, said
    assert held in deployer.on(target, "status")
    deployer.on(target, "plan", *source(tmp_path, HELLO % ("one", "one")))
    # Nor is anything taken away beneath it.
    assert "another run is using this store" in deployer.on(target, "gc", expect=1)
    process.kill()
    process.communicate()
    assert target.execute(pending)[0] == 0
    target.succeed("touch /run/go-on")
    wait_for(target, f"! {pending}")
    assert target.succeed("cat /etc/hello") == "one"
    assert_same(before, take_snapshot(target))
    assert "has returned" in deployer.on(target, "switch", "--attach", expect=5)

    # Where nothing has to be confirmed, the outcome is that of the run, whenever it is asked for.
    for text, code in ((SLOW, 0), (SLOW.replace("done", "done; exit 1"), 4)):
        target.succeed("rm -f /run/slow /run/go-on")
        process = deployer.start("switch", *source(tmp_path, text), "--no-confirm", "--target-host", address)
        wait_for(target, "test -e /run/slow")
        process.kill()
        process.communicate()
        attached = deployer.start("switch", "--attach", "--target-host", address)
        target.succeed("touch /run/go-on")
        said = attached.communicate(timeout=120)[0]
        assert attached.returncode == code and "slow.service" in said, said
        assert deployer.on(target, "switch", "--attach", expect=code) == said
    deployer.on(target, "switch", *source(tmp_path, HELLO % ("one", "one")))
    target.succeed("systemctl reset-failed")
    assert_same(before, take_snapshot(target))

    # The activator is killed.
    target.succeed("rm /run/slow /run/go-on")
    process = deployer.start("switch", *source(tmp_path, SLOW), "--target-host", address)
    wait_for(target, "test -e /run/slow")
    target.succeed("systemctl kill --signal=KILL 'system-manager-run-*'")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 5, output
    assert_same(before, take_snapshot(target))

    # The machine comes up again with the window open.
    target.succeed("rm /run/slow")
    process = deployer.start("switch", *source(tmp_path, SLOW), "--confirm-timeout", "600", "--target-host", address)
    wait_for(target, "test -e /run/slow")
    process.kill()
    process.communicate()
    target.succeed("touch /run/go-on")
    wait_for(target, "grep -q '\"deadline\":[0-9]' /var/lib/system-manager/confirm.json")
    assert target.succeed("cat /etc/hello") == "slow"
    target.reboot()
    wait_for(target, f"! {pending}")
    assert target.succeed("cat /etc/hello") == "one"
    assert_same(before, take_snapshot(target))


SLOW = """
  {
    environment.etc."hello".text = "slow";
    systemd.services.slow = {
      wantedBy = [ "multi-user.target" ];
      serviceConfig = { Type = "oneshot"; RemainAfterExit = true; };
      script = "/usr/bin/touch /run/slow; while ! test -e /run/go-on; do /usr/bin/sleep 0.1; done";
    };
  }
"""
"""A generation whose activation goes on until /run/go-on is there."""


def test_a_host_that_can_not_be_used_says_why_before_anything_is_built(
    make_targets: MakeTargets, tmp_path: Path
) -> None:
    deployer, [target] = make_targets("target")
    address = deployer.address(target)
    # It is not built: it would not evaluate.
    file = ["--nixpkgs", "embedded", "--file", str(tmp_path / "none.nix")]

    def refused(host: str, *options: str) -> str:
        return deployer.run("switch", *file, "--target-host", host, *options, expect=1, limit=60)

    assert "can't be reached" in refused("root@192.168.1.99")
    assert "the connection is refused" in refused(f"root@{address}:2222")
    assert "refuses the login" in refused(f"nobody@{address}")
    known = deployer.known_hosts.read_text()
    deployer.known_hosts.write_text("")
    assert "its host key is not known" in refused(f"root@{address}")
    # With more than one there is no question, though there is a terminal.
    several = deployer.command("status", "--target-host", f"root@{address}", "--target-host", f"root@{address}:22")
    shown = subprocess.run(
        ["script", "--quiet", "--return", "--command", shlex.join(several), "/dev/null"],
        env=deployer.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert shown.returncode == 1 and shown.stdout.count("its host key is not known") >= 2, shown.stdout
    assert "continue connecting" not in shown.stdout, shown.stdout
    other = (tmp_path / "key.pub").read_text().split()
    deployer.known_hosts.write_text(f"# first\n{address} {other[0]} {other[1]}\n")
    changed = refused(f"root@{address}")
    assert "its host key has changed" in changed and f"{deployer.known_hosts}:2" in changed, changed
    deployer.known_hosts.write_text(known)

    target.succeed("useradd --create-home --shell /bin/bash admin")
    deployer.admit(target, "admin")
    assert "is not root" in refused(f"admin@{address}")
    target.succeed("echo 'admin ALL=(ALL) ALL' >/etc/sudoers.d/admin", "echo admin:secret | chpasswd")
    assert "sudo requires a password" in refused(f"admin@{address}", "--sudo")
    target.succeed("usermod --shell /usr/sbin/nologin admin")
    assert "login shell does not run commands" in refused(f"admin@{address}", "--sudo")
    # All that was refused so far has left nothing there.
    target.fail("test -e /nix", "test -e /var/lib/system-manager")


def test_the_noise_of_a_login_and_the_way_to_root_do_not_matter(make_targets: MakeTargets, tmp_path: Path) -> None:
    deployer, [target] = make_targets("target")
    address = deployer.address(target)
    target.succeed("useradd --create-home --shell /bin/bash admin", "echo admin:secret | chpasswd")
    deployer.admit(target, "admin")
    # Five megabytes of a .bashrc, which sshd runs for commands, and a banner as long as a packet may be.
    target.succeed("{ head -c 5000000 /dev/urandom | base64; } >/noise", "head -c 250000 /noise >/banner")
    target.succeed("echo 'cat /noise; echo warning: locale >&2' | tee /home/admin/.bashrc >/root/.bashrc")
    target.succeed("echo 'Banner /banner' >>/etc/ssh/sshd_config && systemctl restart ssh.service")
    target.succeed("echo 'admin ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/admin")
    options = ["--sudo", "--target-host", f"admin@{address}"]
    deployer.run("switch", *source(tmp_path, HELLO % ("one", "one")), *options)
    assert target.succeed("cat /etc/hello") == "one"
    # Nor where the program is there, for root and for who asks for the password.
    assert "confirmed" in deployer.on(target, "switch", *source(tmp_path, HELLO % ("two", "two")))
    target.succeed("echo 'admin ALL=(ALL) ALL' >/etc/sudoers.d/admin")
    shown = deployer.on_terminal(["status", "--ask-sudo-password", "--target-host", f"admin@{address}"], "secret")
    assert "active: generation 2" in shown, shown
    # What ssh says after all that is told.
    deployer.key.rename(tmp_path / "no-key")
    assert "refuses the login" in deployer.on(target, "status", expect=1)
    # What runs as root there is not the user's to change.
    assert target.succeed("stat -c %U /var/lib/system-manager/agent/*") == "root\n"


def test_many_hosts_have_a_line_each_and_those_that_failed_are_tried_again(
    make_targets: MakeTargets, tmp_path: Path
) -> None:
    deployer, targets = make_targets("one", "three", "two")
    hosts = tmp_path / "hosts"
    addresses = [f"root@{deployer.address(target)}" for target in targets]
    dead = "root@192.168.1.99"
    hosts.write_text("\n".join([*addresses, dead]) + "\n")
    # On one of them, something stands in the way.
    targets[1].succeed("mkdir /etc/hello")
    wanted = source(tmp_path, HELLO % ("all", "all"))
    fast = ["--ssh-option", "ConnectTimeout=3"]
    output = deployer.run("switch", *wanted, "--hosts", str(hosts), *fast, expect=1)
    assert "total: 2 done, 2 refused" in output, output
    assert f"{addresses[0]}   done\n" in output, output
    assert targets[0].succeed("cat /etc/hello") == targets[2].succeed("cat /etc/hello") == "all"

    targets[1].succeed("rmdir /etc/hello")
    again = deployer.run("--json", "-q", "switch", *wanted, "--hosts", str(hosts), *fast, "--retry-failed", expect=1)
    recap = json.loads(again[again.index("{\n") :])
    assert [(row["host"], row["code"]) for row in recap["hosts"]] == [(addresses[1], 0), (dead, 1)]
    assert targets[1].succeed("cat /etc/hello") == "all"

    # The first one fails: no other is begun.
    hosts.write_text("\n".join([dead, *addresses]) + "\n")
    careful = ["--canary", "1", "--hosts", str(hosts), *fast]
    output = deployer.run("switch", *source(tmp_path, HELLO % ("new", "new")), *careful, expect=1)
    assert "total: 4 refused" in output and "not started" in output, output
    assert targets[0].succeed("cat /etc/hello") == "all"


MARKED = """\
#!/usr/bin/python3
import json, struct, sys, threading
first = sys.stdin.buffer.readline().decode()
mark = dict(word.split("=") for word in first.split())["MARK"]
threading.Thread(target=sys.stdin.buffer.read).start()
out = sys.stdout.buffer
"""
HOSTILE = """\
out.write(f"\\n{mark}\\n{mark} agent\\n".encode())
frame = lambda kind, payload: out.write(kind + struct.pack("<I", len(payload)) + payload)
hello = {"hello": {"protocol": PROTOCOL, "version": "\\x1b[2J1"}}
frame(b"m", json.dumps(hello).encode())
ANSWER
out.flush()
"""


def test_a_host_that_answers_with_garbage_is_bounded_and_harmless(make_targets: MakeTargets, tmp_path: Path) -> None:
    deployer, [target] = make_targets("target")
    target.succeed("touch /usr/local/bin/hostile", "usermod --shell /usr/local/bin/hostile root")

    def said(program: str) -> str:
        """Returns what is said of a host whose login shell is this one."""
        (tmp_path / "shell").write_text(MARKED + program)
        target.copy_from_host(tmp_path / "shell", "/usr/local/bin/hostile")
        target.succeed("chmod 755 /usr/local/bin/hostile")
        return deployer.on(target, "status", expect=1)

    answers = {
        "frame(b'm', json.dumps({'failed': {'why': '\\x1b]0;title\\x07'}}).encode())": "\\u{1b}]0;title\\u{7}",
        "out.write(b'x' * 100)": "where a frame begins",
        "out.write(b'm' + b'\\xff' * 4)": "are the most",
        "[frame(b'o', b'y' * 1000000) for _ in range(100)]": "printed more than",
        "frame(b'm', b'[')": "reading",
        "frame(b'm', b'\"done\"')": "unexpected answer",
    }
    for answer, why in answers.items():
        text = said(HOSTILE.replace("PROTOCOL", "4").replace("ANSWER", answer))
        assert why in text and "\x1b" not in text, text
    text = said(HOSTILE.replace("PROTOCOL", "99").replace("ANSWER", ""))
    assert "uses version 99 of the protocol" in text and "\x1b" not in text, text
    # What never ends, in lines and in one, and of what it says of itself.
    for endless, why in (
        ("out.write(b'noise\\n' * 999)", "bytes before its answer"),
        ("out.write(b'noise' * 999)", "bytes before its answer"),
        ("out.write(f'\\n{mark}\\na=b\\n'.encode() + b'a=b\\n' * 9999)", "more of itself than was asked"),
        ("sys.stderr.write('noise\\n' * 999)", "says more than"),
    ):
        text = said(f"while True: {endless}")
        assert why in text, (endless, text)


def test_a_host_with_nix_takes_paths_from_an_untrusted_user_and_nix_knows_them(
    make_targets: MakeTargets, tmp_path: Path
) -> None:
    deployer, [target] = make_targets("target", image="debian-12-remote")
    address = deployer.address(target)
    nix = "NIX_CONFIG='build-users-group =' nix-store"
    target.succeed("mkdir -p /nix/store", f"{nix} --init")
    target.succeed("useradd --create-home --shell /bin/bash admin", "echo admin:secret | chpasswd")
    deployer.admit(target, "admin")
    target.succeed("echo 'admin ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/admin")
    options = ["--sudo", "--target-host", f"admin@{address}"]
    deployer.run("switch", *source(tmp_path, HELLO % ("one", "one")), *options)
    toplevel = target.succeed("readlink -f /nix/var/nix/profiles/system-manager-profiles/system-manager").strip()
    assert len(target.succeed(f"{nix} --query --requisites {toplevel}").split()) >= 4
    target.succeed(f"{nix} --verify --check-contents")
    # Its own garbage collection keeps what is a generation, and ours is its own.
    target.succeed(f"{nix} --gc")
    target.succeed(f"test -e {toplevel}/manifest.json && cat /etc/hello")
    deployer.run("gc", *options)
    target.succeed(f"test -e {toplevel}/manifest.json && cat /etc/hello")
    assert "sending" not in deployer.run("switch", *source(tmp_path, HELLO % ("one", "one")), *options)

    # Whatever the login shell is, and however root is had.
    deployer.admit(target)
    message = 'it\'s "$HOME" `id` \\n!1 #;'
    for shell in ("fish", "tcsh", "csh", "zsh"):
        target.succeed(*(f"usermod --shell $(command -v {shell}) {user}" for user in ("admin", "root")))
        assert "active: generation 1" in deployer.run("status", *options)
        # Root's becomes the agent at once, whatever it is asked.
        assert "No changes" in deployer.on(target, "switch", toplevel, "--message", f"{shell}: {message}")
        assert deployer.json(target, "generations")["generations"][0]["origin"]["message"] == f"{shell}: {message}"
    target.succeed("mv /usr/bin/sudo /usr/bin/no-sudo", "echo 'permit nopass admin' >/etc/doas.conf")
    assert "active: generation 1" in deployer.run("status", *options)


def test_a_nix_that_comes_later_takes_the_paths_over(make_targets: MakeTargets, tmp_path: Path) -> None:
    deployer, [target] = make_targets("target", image="debian-12-remote")
    deployer.on(target, "switch", *source(tmp_path, HELLO % ("one", "one")))
    target.succeed("test ! -e /nix/var/nix/db")
    nix = "NIX_CONFIG='build-users-group =' nix-store"
    target.succeed(f"{nix} --init", f"{nix} --load-db </nix/var/system-manager/load-db")
    toplevel = target.succeed("readlink -f /nix/var/nix/profiles/system-manager-profiles/system-manager").strip()
    target.succeed(f"{nix} --verify --check-contents", f"{nix} --gc", f"test -e {toplevel}/manifest.json")
    deployer.on(target, "switch", *source(tmp_path, HELLO % ("two", "two")))
    target.succeed(f"{nix} --verify --check-contents", "grep two /etc/hello")


def test_one_line_of_sudoers_is_enough(make_targets: MakeTargets, tmp_path: Path) -> None:
    deployer, [target] = make_targets("target")
    target.succeed("useradd --create-home --shell /bin/bash deploy")
    deployer.admit(target, "deploy")
    # The line is the one of the manual.
    manual = (PROJECT / "docs/remote.md").read_text()
    [line] = [line for line in manual.splitlines() if line.startswith("deploy ALL=")]
    target.succeed(f"echo '{line}' >/etc/sudoers.d/deploy && chmod 0440 /etc/sudoers.d/deploy", "visudo --check")
    target.fail("runuser -u deploy -- sudo -n true", "runuser -u deploy -- sudo -n cat /etc/shadow")
    options = ["--sudo", "--target-host", f"deploy@{deployer.address(target)}"]
    # The activator comes the first time, and is there the second.
    for text in ("one", "two"):
        deployer.run("switch", *source(tmp_path, HELLO % (text, text)), *options)
        assert target.succeed("cat /etc/hello") == text
    assert "active: generation 2" in deployer.run("status", *options)
    # Without it, that is said before anything is sent.
    target.succeed("rm /etc/sudoers.d/deploy")
    assert "sudo requires a password" in (said := deployer.run("status", *options, expect=1)) and "sending" not in said


def test_sudo_gets_the_password_once_and_nobody_else_does(make_targets: MakeTargets, tmp_path: Path) -> None:
    deployer, [target] = make_targets("target")
    address = deployer.address(target)
    target.succeed("useradd --create-home --shell /bin/bash admin", "echo admin:s3cretword | chpasswd")
    deployer.admit(target, "admin")
    target.succeed("echo 'admin ALL=(ALL) ALL' >/etc/sudoers.d/admin")
    arguments = ["--ask-sudo-password", "--target-host", f"admin@{address}"]
    wanted = source(tmp_path, SLOW)

    wrong = deployer.on_terminal(["status", *arguments], "wrong", expect=1)
    assert "rejected the password" in wrong, wrong
    assert target.succeed("journalctl -q _COMM=sudo | grep -c 'incorrect password attempt'").strip() == "1"

    def watch() -> None:
        """Looks for the password wherever processes show something, while the activation runs."""
        wait_for(target, "test -e /run/slow")
        shown = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"
        target.fail(f"{shown} | grep '[s]3cretword'")
        # Nor here.
        for file in ("cmdline", "environ"):
            for path in Path("/proc").glob(f"[0-9]*/{file}"):
                with contextlib.suppress(OSError):
                    assert b"s3cretword" not in path.read_bytes(), path
        target.fail("grep -r '[s]3cretword' /var/lib/system-manager /run/systemd /tmp")
        target.succeed("touch /run/go-on")

    right = deployer.on_terminal(["switch", *wanted, *arguments], "s3cretword", watch)
    assert "confirmed" in right and "s3cretword" not in right, right
    assert target.succeed("cat /etc/hello") == "slow"
    target.fail("journalctl -q | grep '[s]3cretword'")


def test_a_nix_outside_the_path_of_a_login_is_found(make_targets: MakeTargets, tmp_path: Path) -> None:
    deployer, [target] = make_targets("target", image="debian-12-remote")
    # As the installers of Nix have it; and those who log in get no sbin.
    place = "/nix/var/nix/profiles/default/bin"
    target.succeed(f"mkdir -p /nix/store {place} && mv /usr/bin/nix /usr/bin/nix-* {place}/")
    target.succeed("echo 'SetEnv PATH=/usr/bin' >>/etc/ssh/sshd_config && systemctl restart ssh.service")
    nix = f"NIX_CONFIG='build-users-group =' {place}/nix-store"
    target.succeed(f"{nix} --init")
    deployer.on(target, "switch", *source(tmp_path, HELLO % ("one", "one")))
    toplevel = target.succeed("readlink -f /nix/var/nix/profiles/system-manager-profiles/system-manager").strip()
    assert len(target.succeed(f"{nix} --query --requisites {toplevel}").split()) >= 4
    target.succeed(f"{nix} --verify --check-contents")
    target.fail("test -e /nix/var/system-manager/paths")


RUN0 = """\
#!/bin/sh
# What run0 is: systemd-run under another name, which asks polkit and hands its own streams on.
case $1 in --no-ask-password) shift ;; *) echo "run0: it would ask" >&2; exit 1 ;; esac
user=--setenv=SUDO_USER=$(id -un)
exec systemd-run --no-ask-password --quiet --collect --pipe --wait --service-type=exec "$user" "$@"
"""

POLKIT = """
  polkit.addRule(function(action, subject) {
    if (action.id == "org.freedesktop.systemd1.manage-units" && subject.user == "admin") return polkit.Result.YES;
  });
"""


@pytest.mark.parametrize("image", ["debian-12-remote", "debian-13-remote"])
def test_run0_makes_root_of_whom_polkit_allows(make_targets: MakeTargets, tmp_path: Path, image: str) -> None:
    deployer, [target] = make_targets("target", image=image)
    target.succeed("useradd --create-home --shell /bin/bash admin")
    deployer.admit(target, "admin")
    # The others are gone.
    target.succeed("cd /usr/bin && for program in sudo doas; do ! test -e $program || mv $program no-$program; done")
    if image == "debian-12-remote":
        # It has no run0 yet, but all that it is made of.
        (tmp_path / "run0").write_text(RUN0)
        target.copy_from_host(tmp_path / "run0", "/usr/local/bin/run0")
        target.succeed("chmod 755 /usr/local/bin/run0")
    assert ("local" in target.succeed("command -v run0")) == (image == "debian-12-remote")
    options = ["--sudo", "--target-host", f"admin@{deployer.address(target)}"]
    wanted = source(tmp_path, HELLO % ("one", "one"))
    # Nobody could answer polkit's question; that is seen before anything is sent.
    said = deployer.run("switch", *wanted, *options, expect=1)
    assert "run0 does not let the user become root" in said and "sending" not in said, said
    (tmp_path / "polkit").write_text(POLKIT)
    target.copy_from_host(tmp_path / "polkit", "/etc/polkit-1/rules.d/10-admin.rules")
    target.succeed("chmod 644 /etc/polkit-1/rules.d/10-admin.rules", "systemctl restart polkit.service")
    for text in ("one", "two"):
        deployer.run("switch", *source(tmp_path, HELLO % (text, text)), *options)
        assert target.succeed("cat /etc/hello") == text
    assert "active: generation 2" in deployer.run("status", *options)


def test_many_hosts_take_one_password_and_one_question(make_targets: MakeTargets, tmp_path: Path) -> None:
    deployer, targets = make_targets("one", "two")
    hosts = []
    for target in targets:
        target.succeed("useradd --create-home --shell /bin/bash admin", "echo admin:s3cretword | chpasswd")
        target.succeed("echo 'admin ALL=(ALL) ALL' >/etc/sudoers.d/admin")
        deployer.admit(target, "admin")
        hosts += ["--target-host", f"admin@{deployer.address(target)}"]
    wanted = source(tmp_path, HELLO % ("one", "one"))
    shown = deployer.on_terminal(["switch", *wanted, "--ask-sudo-password", *hosts], "s3cretword")
    assert shown.lower().count("password") == 1 and "total: 2 done" in shown, shown
    assert [target.succeed("cat /etc/hello") for target in targets] == ["one", "one"]


def test_who_reads_nothing_more_stops_nothing(make_targets: MakeTargets, tmp_path: Path) -> None:
    deployer, [target] = make_targets("target")
    address = f"root@{deployer.address(target)}"
    for text, closed in (("one", "2>&-"), ("two", ">&- 2>&-"), ("three", "2>/dev/full >/dev/full")):
        command = deployer.command("switch", *source(tmp_path, HELLO % (text, text)), "--target-host", address)
        argv = ["sh", "-c", f'exec "$@" {closed}', "sh", *command]
        done = subprocess.run(argv, env=deployer.environment(), stdin=subprocess.DEVNULL, timeout=120, check=False)
        assert done.returncode == 0, closed
        assert target.succeed("cat /etc/hello") == text
        target.fail("test -e /var/lib/system-manager/confirm.json")
    # Whoever listened is gone in the middle.
    command = deployer.command("switch", *source(tmp_path, SLOW), "--target-host", address)
    process = subprocess.Popen(
        command, env=deployer.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    wait_for(target, "test -e /run/slow")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    process.stderr.close()
    target.succeed("touch /run/go-on")
    assert process.wait(timeout=120) == 0
    assert target.succeed("cat /etc/hello") == "slow"
    target.fail("test -e /var/lib/system-manager/confirm.json")


def test_a_host_that_waits_can_be_given_more_time(make_targets: MakeTargets, tmp_path: Path) -> None:
    deployer, [target] = make_targets("target")
    address = f"root@{deployer.address(target)}"
    nothing = deployer.on(target, "extend", "60", expect=1)
    assert "no run from another machine is waiting to be confirmed" in nothing, nothing
    deployer.on(target, "switch", *source(tmp_path, HELLO % ("one", "one")))
    before = take_snapshot(target)

    # While it is activated, and while it waits: it returns that much later, and nobody has confirmed anything.
    process = deployer.start("switch", *source(tmp_path, SLOW), "--confirm-timeout", "5", "--target-host", address)
    wait_for(target, "test -e /run/slow")
    assert "it is under way" in deployer.on(target, "extend", "5")
    process.kill()
    process.communicate()
    target.succeed("touch /run/go-on")
    wait_for(target, "grep -q '\"deadline\":[0-9]' /var/lib/system-manager/confirm.json")
    begun = time.monotonic()
    shown = deployer.json(target, "extend", "10")
    deadline = int(target.succeed("date +%s")) + 20
    assert deadline - 8 <= shown["deadline"] <= deadline, (shown, deadline)
    assert "unless it is confirmed" in deployer.on(target, "status")
    target.succeed("test -e /var/lib/system-manager/confirm.json")
    wait_for(target, "! test -e /var/lib/system-manager/confirm.json")
    assert 10 < time.monotonic() - begun < 60
    assert_same(before, take_snapshot(target))


HOLD = """\
#!/bin/sh
# ssh that is slow, or that fails, while {folder}/hold is there.
if [ -e {folder}/hold ]; then {way}; fi
exec {ssh} "$@"
"""


@pytest.mark.parametrize(
    ("way", "is_in_time"),
    [
        # One connection that takes long, and many that fail.
        ("while [ -e {folder}/hold ]; do sleep 0.1; done", True),
        ("echo 'ssh: connect to host h port 22: Connection refused' >&2; exit 255", True),
        ("echo 'ssh: connect to host h port 22: Connection refused' >&2; exit 255", False),
    ],
)
def test_who_confirms_later_than_at_first_allowed_does_so_in_the_time_that_was_added(
    make_targets: MakeTargets, tmp_path: Path, way: str, is_in_time: bool
) -> None:
    deployer, [target] = make_targets("target")
    deployer.on(target, "switch", *source(tmp_path, HELLO % ("one", "one")))
    before = take_snapshot(target)
    ssh = tmp_path / "bin/ssh"
    ssh.parent.mkdir()
    ssh.write_text(HOLD.format(folder=tmp_path, way=way.format(folder=tmp_path), ssh=shutil.which("ssh")))
    ssh.chmod(0o755)
    address = f"root@{deployer.address(target)}"
    process = deployer.start("switch", *source(tmp_path, SLOW), "--confirm-timeout", "5", "--target-host", address)
    wait_for(target, "test -e /run/slow")
    (tmp_path / "hold").touch()
    target.succeed("touch /run/go-on")
    wait_for(target, "grep -q '\"deadline\":[0-9]' /var/lib/system-manager/confirm.json")
    pending = json.loads(target.succeed("cat /var/lib/system-manager/confirm.json"))
    # Somebody gives it more time on the host.
    program = target.succeed("ls -t /var/lib/system-manager/agent/* | head -1").strip()
    target.succeed(f"{program} extend 12")
    wait_for(target, f"test $(date +%s) -gt {pending['deadline']}")
    target.succeed("test -e /var/lib/system-manager/confirm.json", "grep slow /etc/hello")
    if not is_in_time:
        wait_for(target, "! test -e /var/lib/system-manager/confirm.json")
    (tmp_path / "hold").unlink()
    said = process.communicate(timeout=120)[0]
    assert process.returncode == (0 if is_in_time else 5), said
    target.fail("test -e /var/lib/system-manager/confirm.json")
    if is_in_time:
        target.succeed("grep slow /etc/hello")
        assert "active: generation 2" in deployer.on(target, "status")
    else:
        assert_same(before, take_snapshot(target))


def test_what_is_of_one_boot_only_is_confirmed_or_goes_as_all_else(make_targets: MakeTargets, tmp_path: Path) -> None:
    deployer, [target] = make_targets("target")
    address = f"root@{deployer.address(target)}"
    nothing = take_snapshot(target)

    def trial(text: str) -> list[str]:
        """Returns the arguments of a switch of this boot only."""
        return ["switch", "--ephemeral", *source(tmp_path, text)]

    def assert_goes_back(text: str, condition: str) -> None:
        """Switches so that nobody confirms; the host returns."""
        process = deployer.start(*trial(text), "--confirm-timeout", "5", "--target-host", address)
        wait_for(target, condition)
        process.kill()
        process.communicate()
        target.succeed("touch /run/go-on")
        wait_for(target, "! test -e /run/system-manager/remote/confirm.json")
        target.succeed("rm -f /run/go-on /run/slow")
        target.fail("findmnt /etc", "test -e /run/system-manager/ephemeral")

    # Nobody confirms, and nothing was managed before.
    assert_goes_back(SLOW, "test -e /run/slow")
    assert_same(nothing, take_snapshot(target))
    assert "nothing is active" in deployer.on(target, "status")
    deployer.on(target, "switch", *source(tmp_path, HELLO % ("lasting", "lasting")))
    lasts = take_snapshot(target)
    plan = deployer.on(target, "plan", "--ephemeral", *source(tmp_path, HELLO % ("one", "one")))
    assert "until the next reboot only" in plan, plan
    # Over what lasts, it returns to that, and the overlays go; the deployer may ask how it ended.
    assert_goes_back(SLOW, "test -e /run/slow")
    assert_same(lasts, take_snapshot(target))
    assert "has returned" in deployer.on(target, "switch", "--attach", expect=5)
    # It is confirmed, and written to /run alone.
    target.succeed("touch /root/before && sync")
    said = deployer.on(target, *trial(HELLO % ("one", "one")))
    assert "confirmed" in said and target.succeed("cat /etc/hello") == "one", said
    beneath = "unshare --mount sh -c 'umount --lazy /etc /var/lib/system-manager && {}'"
    stored = "find /etc /var/lib/system-manager -xdev -newer /root/before ! -type d"
    written = target.succeed(beneath.format(stored)).split()
    # The program is used, and the lock is the one that all take.
    assert all("/agent/" in path or path.endswith("/lock") for path in written), written
    status = deployer.json(target, "status")
    assert status["ephemeral"] and status["generation"] is None
    assert "No changes" in deployer.on(target, *trial(HELLO % ("one", "one")))
    assert "is temporary" in deployer.on(target, "switch", *source(tmp_path, HELLO % ("two", "two")), expect=1)
    # The activation is killed, or nobody confirms: over another one of this boot, it returns to that.
    once = take_snapshot(target)
    for signal in ("", "systemctl kill --signal=KILL --kill-whom=all 'system-manager-run-*'"):
        target.succeed("rm -f /run/slow")
        process = deployer.start(*trial(SLOW), "--confirm-timeout", "5", "--target-host", address)
        wait_for(target, "test -e /run/slow")
        if signal:
            target.succeed(signal)
        else:
            process.kill()
        target.succeed("touch /run/go-on")
        wait_for(target, "! test -e /run/system-manager/remote/confirm.json")
        said = process.communicate()[0]
        assert process.returncode == (5 if signal else -9), said
        target.succeed("rm /run/go-on")
        assert_same(once, take_snapshot(target))
        assert deployer.json(target, "status")["ephemeral"]
    deployer.on(target, "deactivate")
    target.fail("findmnt /etc")
    assert_same(lasts, take_snapshot(target))
    assert "active: generation 1" in deployer.on(target, "status")
    # The network breaks, and a boot comes before the time is over: it is gone, and its deployer is told so.
    cuts = trial(CUTS % (BREAKS["sshd"], BACK))
    process = deployer.start(*cuts, "--confirm-timeout", "600", "--target-host", address)
    wait_for(target, "grep -q '\"deadline\":[0-9]' /run/system-manager/remote/confirm.json")
    target.reboot()
    target.succeed("systemctl start ssh.service")
    said = process.communicate(timeout=200)[0]
    assert process.returncode == 5 and "the machine was booted, and the host has returned" in said, said
    assert_same(lasts, take_snapshot(target))


def test_what_is_cut_while_it_arrives_goes_on_where_it_was(make_targets: MakeTargets, tmp_path: Path) -> None:
    deployer, [target] = make_targets("target")
    address = f"root@{deployer.address(target)}"
    files = " ".join(
        f'environment.etc."large/{number}".source = builtins.toFile "large-{number}" (large "{number}");'
        for number in range(8)
    )
    # Ten megabytes in eight paths.
    line = '(builtins.genList (n: "some bytes for each of these lines") 40000)'
    wanted = source(tmp_path, f"let large = s: builtins.concatStringsSep s {line}; in {{ {files} }}")
    random = Random(1)
    for _ in range(6):
        process = deployer.start("switch", *wanted, "--no-confirm", "--target-host", address)
        try:
            process.communicate(timeout=random.uniform(0.5, 3))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        # Whatever is visible is whole.
        listed = target.execute("find /nix/store -type f ! -path '*/.*' -exec sha256sum {} + 2>/dev/null")[1]
        for digest, path in (line.split() for line in listed.splitlines()):
            assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == digest, path
    deployer.on(target, "switch", *wanted)
    assert target.succeed("ls /etc/large | wc -l").strip() == "8"
    target.succeed("! ls -A /nix/store | grep '^[.]'")
    deployer.on(target, "deactivate")

    # There is no room for it, or there are not enough inodes: nothing is sent.
    target.succeed("rm -rf /nix/* /nix/var")
    for room, why in (
        ("size=8M", "bytes must be copied to /nix/store"),
        ("nr_inodes=60", "files must be copied to /nix/store"),
    ):
        target.succeed(f"mount -t tmpfs -o {room} tmpfs /nix")
        said = deployer.on(target, "switch", *wanted, expect=1)
        assert f"{why}, but only" in said and "are free" in said, said
        assert target.succeed("ls /nix/store | wc -l").strip() in ("0", "1")
        target.succeed("umount /nix")


def test_a_host_that_is_not_well_returns_and_a_batch_stops(make_targets: MakeTargets, tmp_path: Path) -> None:
    deployer, targets = make_targets("one", "two")
    addresses = [f"root@{deployer.address(target)}" for target in targets]
    good, bad = source(tmp_path, HELLO % ("one", "one")), HELLO % ("bad", "bad")
    deployer.run("switch", *good, "--target-host", addresses[0], "--target-host", addresses[1])
    before = take_snapshot(targets[0])
    unwell = """
      { imports = [ (%s) ];
        system-manager.healthChecks.web = {
          units = [ "hello.service" ];
          script = "echo asked; test -e /run/well";
          timeout = 5;
          retries = 1;
        }; }
    """
    wanted = source(tmp_path, unwell % bad)
    # hello.service has ended by itself: it is not active, and that is the first thing that is looked at.
    batch = ["--batch", "1", "--target-host", addresses[0], "--target-host", addresses[1]]
    output = deployer.run("switch", *wanted, *batch, expect=5)
    assert "web: not active: hello.service (inactive)" in output, output
    assert "and the host has returned to its previous state" in output and "not started" in output, output
    assert_same(before, take_snapshot(targets[0]))
    assert [target.succeed("cat /etc/hello") for target in targets] == ["one", "one"]

    # Without a way back it is told, here and there, until it is well.
    wanted = source(tmp_path, unwell.replace("hello.service", "ssh.service") % bad)
    output = deployer.on(targets[0], "switch", "--no-confirm", *wanted, expect=4)
    assert "the health check web failed: exit status 1" in output and "asked" in output, output
    assert "unhealthy: web: exit status 1" in deployer.on(targets[0], "status")
    targets[0].succeed("touch /run/well")
    deployer.on(targets[0], "switch", *wanted)
    assert "unhealthy" not in deployer.on(targets[0], "status")


def flake(folder: Path, **hosts: str) -> str:
    """Writes a flake with a configuration for each attribute, which is dotted, and returns its address.

    It reads the project where it is, which a flake may not: so its Nix is told to let it.
    """
    nix = folder / "bin/nix"
    nix.parent.mkdir(exist_ok=True)
    nix.write_text(f'#!/bin/sh\nexec {shutil.which("nix")} "$@" --impure\n')
    nix.chmod(0o755)
    text = ""
    for attribute, configuration in hosts.items():
        file = folder / f"{attribute.replace('.', '-')}.nix"
        file.write_text(configuration)
        text += f"      {attribute} = (build {file}).toplevel;\n"
    (folder / "flake").mkdir(exist_ok=True)
    (folder / "flake/flake.nix").write_text(f"""
      {{ outputs = _: let build = file: import {PROJECT} {{ inherit file; activator = "{PROGRAM}"; }}; in {{
        systemConfigs = {{
{text}
        }};
      }}; }}
    """)
    return f"path:{folder}/flake"


def test_hosts_that_only_ssh_knows_are_all_those_of_a_flake(make_targets: MakeTargets, tmp_path: Path) -> None:
    deployer, targets = make_targets("one", "two")
    # Both are at the ends of tunnels: the same address, other ports, keys by their own names.
    tunnels = []
    known = deployer.known_hosts.read_text().splitlines()
    deployer.known_hosts.write_text("")
    config = f"Host *\n  User root\n  IdentityFile {deployer.key}\n  UserKnownHostsFile {deployer.known_hosts}\n"
    for port, target, name in zip((2201, 2202), targets, ("one", "two"), strict=True):
        key = known[targets.index(target)].split(" ", 1)[1]
        with deployer.known_hosts.open("a") as file:
            file.write(f"{name} {key}\n[127.0.0.1]:{port} {key}\ntunnel-{name} {key}\n")
        config += f"Host {name}\n  HostName 127.0.0.1\n  Port {port}\n  HostKeyAlias {name}\n"
        address = deployer.address(target)
        config += f"Host tunnel-{name}\n  HostName {address}\n  HostKeyAlias tunnel-{name}\n"
    deployer.config.write_text(config)
    try:
        for port, name in ((2201, "one"), (2202, "two")):
            command = [*deployer.enter(), "ssh", "-N", "-L", f"{port}:localhost:22", f"tunnel-{name}"]
            tunnels.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))
            deployer.seat.wait_for_open_port(port)
        attributes = {"one": HELLO % ("one", "one"), "x86_64-linux.two": HELLO % ("two", "two")}
        uri = flake(tmp_path, default=HELLO % ("none", "none"), **attributes)
        wanted = ["--flake", uri]
        output = deployer.run("switch", "--all", *wanted)
        assert "total: 2 done" in output, output
        assert [target.succeed("cat /etc/hello") for target in targets] == ["one", "two"]
        assert "one  done" in deployer.run("status", f"--all={uri}")
        # By address and port, the keys are kept apart, too; a list says which configuration a host gets.
        hosts = tmp_path / "hosts"
        hosts.write_text("root@127.0.0.1:2201 #x86_64-linux.two\n127.0.0.1:2202 #one\n")
        deployer.run("switch", "--hosts", str(hosts), *wanted)
        assert [target.succeed("cat /etc/hello") for target in targets] == ["two", "one"]
        deployer.known_hosts.write_text(deployer.known_hosts.read_text().replace("one ", "other "))
        assert "its host key is not known" in deployer.run("status", "--target-host", "one", expect=1)
    finally:
        for tunnel in tunnels:
            tunnel.kill()
            tunnel.wait()


def test_differences_are_looked_at_where_the_host_is(make_targets: MakeTargets, tmp_path: Path) -> None:
    deployer, [target] = make_targets("target")
    for text in ("one", "two"):
        deployer.on(target, "switch", *source(tmp_path, HELLO % (text, text)))
    assert "-one" in (shown := deployer.on(target, "diff", "1", "2")) and "+two" in shown, shown
    # What is live there was changed by hand; a configuration is built here.
    target.succeed("rm /etc/hello", "echo -n by hand >/etc/hello")
    shown = deployer.on(target, "diff", "2")
    assert "-two" in shown and "+by hand" in shown, shown
    file = tmp_path / "three.nix"
    file.write_text(HELLO % ("three", "three"))
    shown = deployer.on(target, "diff", "1", str(file))
    assert "-one" in shown and "+three" in shown, shown
    difference = deployer.json(target, "diff", str(file), "2")
    assert difference["version"] == 1, difference
    assert target.succeed("cat /etc/hello") == "by hand"


def test_a_host_with_nix_builds_for_others_and_fetches_by_itself(make_targets: MakeTargets, tmp_path: Path) -> None:
    deployer, targets = make_targets("builder", "target", image="debian-12-remote")
    builder, target = targets
    settings = "build-users-group =\\nsandbox = false\\nsubstituters = file:///cache\\nrequire-sigs = false\\n"
    for machine in targets:
        machine.succeed(f"mkdir -p /etc/nix && printf '{settings}' >/etc/nix/nix.conf", "nix-store --init")
    word = f"built {tmp_path}"
    wanted = source(tmp_path, HELLO % (word, word))
    elsewhere = ["--build-host", f"root@{deployer.address(builder)}"]
    toplevel = deployer.run("-q", "build", *wanted, *elsewhere).strip().splitlines()[-1]
    # It was built there, and is whole here.
    assert builder.succeed(f"nix-store --query --deriver {toplevel}").strip().endswith(".drv")
    builder.succeed("ls /nix/store/*.drv")
    subprocess.run(["nix-store", "--verify-path", toplevel], check=True, timeout=60)
    deployer.on(target, "switch", *wanted, *elsewhere)
    assert target.succeed("cat /etc/hello") == word

    # What the host's own Nix can fetch is not sent.
    wanted = source(tmp_path, HELLO % ("cached", "cached"))
    toplevel = build(tmp_path / "system.nix", tmp_path)
    cache = tmp_path / "cache"
    nix = ["nix", "--extra-experimental-features", "nix-command", "copy", "--to", f"file://{cache}?compression=none"]
    subprocess.run([*nix, toplevel], check=True, timeout=300)
    archive = tmp_path / "cache.tar"
    subprocess.run(["tar", "-C", str(tmp_path), "-cf", str(archive), "cache"], check=True, timeout=60)
    target.unpack(archive, "/")
    output = deployer.on(target, "switch", *wanted, "--substitute-on-destination")
    assert target.succeed("cat /etc/hello") == "cached"
    assert ": sending " not in output, output
    said = deployer.on(target, "switch", "--substitute-on-destination", *source(tmp_path, HELLO % ("new", "new")))
    assert ": sending " in said, said


def test_a_connection_that_dies_is_made_anew_and_the_users_own_is_not_touched(
    make_targets: MakeTargets, tmp_path: Path
) -> None:
    deployer, [target] = make_targets("target")
    address = deployer.address(target)
    # The user has a master connection; and folders for temporary files have long names.
    control = tmp_path / "control"
    known = f"UserKnownHostsFile {deployer.known_hosts}\n  IdentityFile {deployer.key}"
    deployer.config.write_text(f"Host *\n  ControlMaster auto\n  ControlPath {control}\n  {known}\n")
    master = subprocess.Popen([*deployer.enter(), "ssh", "-N", f"root@{address}"], stdin=subprocess.DEVNULL)
    try:
        check = [*deployer.enter(), "ssh", "-O", "check", f"root@{address}"]
        while subprocess.run(check, capture_output=True, timeout=10, check=False).returncode != 0:
            assert master.poll() is None
        sessions = target.succeed("pgrep -c -f '[s]shd: root'").strip()
        long = tmp_path / ("t" * (89 - len(str(tmp_path)))) if len(str(tmp_path)) < 88 else tmp_path
        long.mkdir(exist_ok=True)
        deployer.variables = {"TMPDIR": str(long)}
        process = deployer.start("switch", *source(tmp_path, SLOW), "--target-host", f"root@{address}")
        wait_for(target, "test -e /run/slow")
        # The one through which the activation is followed dies.
        own = subprocess.run(["pgrep", "-P", str(process.pid), "-x", "ssh"], capture_output=True, text=True, timeout=10)
        [pid] = own.stdout.split()
        subprocess.run(["kill", "-KILL", pid], check=True, timeout=10)
        target.succeed("touch /run/go-on")
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
        assert "the activation continues there" in output and "confirmed" in output, output
        assert subprocess.run(check, capture_output=True, timeout=10, check=False).returncode == 0
        target.wait_until_succeeds(f"test $(pgrep -c -f '[s]shd: root') = {sessions}")
    finally:
        master.kill()
        master.wait()


SILENT = """\
import signal, socket, sys
listening = socket.socket()
listening.bind(("", int(sys.argv[1])))
listening.listen(0)
# Whoever is not taken waits, and whoever comes then is not answered at all: it pings, and that is all.
kept = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(int(sys.argv[2]))]
taken = [] if kept else [listening.accept() for _ in range(9)]
signal.pause()
"""


def test_a_host_that_stalls_is_given_up_in_time_with_what_it_was_at(make_targets: MakeTargets, tmp_path: Path) -> None:
    deployer, [target] = make_targets("target")
    address = deployer.address(target)
    (tmp_path / "silent.py").write_text(SILENT)
    target.copy_from_host(tmp_path / "silent.py", "/root/silent.py")

    def given_up(process: subprocess.Popen[str], begun: float) -> str:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 1 and time.monotonic() - begun < 31, output
        return output

    # It takes connections and says nothing; it does not even take them.
    for port, waiting in ((2301, 0), (2302, 1)):
        target.succeed(f"systemd-run --quiet python3 /root/silent.py {port} {waiting} ")
        target.wait_until_succeeds(f"ss --listening --numeric --tcp | grep -q :{port}")
        begun = time.monotonic()
        process = deployer.start("status", "--target-host", f"root@{address}:{port}")
        assert "can't be reached" in given_up(process, begun)

    # It stops in the middle of what is sent: the activator first, then a path.
    large = tmp_path / "large"
    large.write_bytes(Random(1).randbytes(150 << 20) * 2)
    toplevel = build(_written(tmp_path, f"{{ environment.etc.large.source = {large}; }}"), tmp_path)
    # More than the program, which is copied there, too.
    arrives = "find /nix/store -path '*/.system-manager-*' -size +150M | grep -q ."
    for program, phase in (("head", "sending the activator"), ("system-manager", "sending /nix/store/")):
        process = deployer.start("switch", toplevel, "--target-host", f"root@{address}")
        if program == "head":
            wait_for(target, "pkill -STOP -x head")
        else:
            # Without a pause: it is there in less time than there is between two looks of ours.
            target.succeed(f'timeout 60 sh -c "until {arrives}; do :; done"; pkill -STOP -f "agent$"')
        begun = time.monotonic()
        said = given_up(process, begun)
        assert phase in said and "for 25 s" in said, said
        target.succeed("pkill -KILL -x head || pkill -KILL -f 'agent$'")
    target.fail("test -e /etc/large")


def _written(folder: Path, text: str) -> Path:
    file = folder / "system.nix"
    file.write_text(text)
    return file


def test_a_power_cut_within_the_window_leads_back_at_the_next_boot(make_targets: MakeTargets, tmp_path: Path) -> None:
    deployer, [target] = make_targets("target")
    deployer.on(target, "switch", *source(tmp_path, HELLO % ("one", "one")))
    before = take_snapshot(target)
    address = f"root@{deployer.address(target)}"
    for moment in ("while it activates", "while it waits"):
        # A boot in the middle starts it, too.
        target.succeed("rm -f /run/slow /run/go-on")
        patient = ["--confirm-timeout", "600", "--target-host", address]
        process = deployer.start("switch", *source(tmp_path, SLOW), *patient)
        wait_for(target, "test -e /run/slow")
        process.kill()
        process.communicate()
        if moment == "while it waits":
            target.succeed("touch /run/go-on")
            wait_for(target, "grep -q '\"deadline\":[0-9]' /var/lib/system-manager/confirm.json")
        assert target.succeed("cat /etc/hello") == "slow"
        target.crash()
        target.start()
        target.succeed("systemctl start ssh.service")
        wait_for(target, "! test -e /var/lib/system-manager/confirm.json")
        assert target.succeed("cat /etc/hello") == "one", moment
        assert_same(before, take_snapshot(target))


ADMITS = """
  {
    environment.etc."ssh/authorized_keys.d/root" = { text = "%s\n"; mode = "0444"; };
    system.activationScripts.reload.text = "/usr/bin/systemctl reload ssh.service";
    %s
  }
"""


def test_a_generation_that_no_longer_admits_the_deployers_key_is_refused_or_taken_back(
    make_targets: MakeTargets, tmp_path: Path
) -> None:
    deployer, [target] = make_targets("target")
    key = deployer.key.with_suffix(".pub").read_text().strip()
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")]
    subprocess.run(make, check=True, timeout=60)
    other = (tmp_path / "other.pub").read_text().strip()
    # The key is only where configurations have it.
    target.succeed("echo 'AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u /root/first' >>/etc/ssh/sshd_config")
    target.succeed("mv /root/.ssh/authorized_keys /root/first", "systemctl restart ssh.service")
    deployer.on(target, "switch", *source(tmp_path, ADMITS % (key, "")))
    target.succeed("rm /root/first")
    before = take_snapshot(target)
    # The plan sees it, and nothing is changed.
    for command in ("plan", "switch"):
        said = deployer.on(target, command, *source(tmp_path, ADMITS % (other, "")), expect=1)
        assert "would no longer admit the key by which root came, SHA256:" in said, said
    assert "would no longer admit" in deployer.on(target, "deactivate", expect=1)
    assert_same(before, take_snapshot(target))
    # A key that is kept beside a new one is fine.
    assert "would no longer" not in deployer.on(target, "plan", *source(tmp_path, ADMITS % (f"{other}\n{key}", "")))
    # What sshd is told otherwise, it does not see; then the host returns.
    none = 'environment.etc."ssh/sshd_config.d/none.conf".text = "AuthorizedKeysFile none\n";'
    wanted = source(tmp_path, ADMITS % (key, none))
    output = deployer.on(target, "switch", "--confirm-timeout", "5", *wanted, expect=5)
    assert "refuses the login" in output and "has returned to its previous state" in output, output
    assert_same(before, take_snapshot(target))
    assert "active: generation 1" in deployer.on(target, "status")


PACKAGE = """
  folder=/root/build/{name}
  mkdir -p $folder/DEBIAN $folder/usr/bin /srv/repo
  printf 'Package: {name}\nVersion: 1\nArchitecture: all\n' >$folder/DEBIAN/control
  printf 'Maintainer: x <x@example.org>\n{needs}Description: x\n' >>$folder/DEBIAN/control
  printf '#!/bin/sh\ncat >/run/loaded\n' >$folder/usr/bin/{program}
  chmod 755 $folder/usr/bin/{program}
  dpkg-deb --build $folder /srv/repo/{name}.deb
  cd /srv/repo
  (dpkg-deb --field {name}.deb; echo Filename: ./{name}.deb; echo Size: $(stat -c %s {name}.deb)
   echo SHA256: $(sha256sum {name}.deb | cut -d' ' -f1); echo) >>Packages
"""


def test_nix_is_installed_where_it_is_wanted_and_goes_again(make_targets: MakeTargets, tmp_path: Path) -> None:
    deployer, [target] = make_targets("target")
    # A distribution of its own, whose Nix only writes down what it is told.
    target.succeed(
        PACKAGE.format(name="nix-bin", needs="Depends: nix-library\\n", program="nix-store"),
        PACKAGE.format(name="nix-library", needs="", program="nix-library"),
        "rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*",
        "echo 'APT::Sandbox::User \"root\";' >/etc/apt/apt.conf.d/99sm",
        "echo 'deb [trusted=yes] file:/srv/repo ./' >/etc/apt/sources.list",
        "apt-get update",
    )
    before = take_snapshot(target)
    deployer.on(target, "switch", *source(tmp_path, HELLO % ("one", "one")))
    plan = deployer.on(target, "bootstrap", "--dry-run")
    assert "+ nix-bin\n+ nix-library\nwould run `apt-get install nix-bin`" in plan, plan
    target.fail("test -e /usr/bin/nix-store")
    said = deployer.on(target, "bootstrap")
    assert "+ nix-bin\n+ nix-library\ninstalled" in said, said
    # What came before it is its own now.
    toplevel = target.succeed("readlink -f /nix/var/nix/profiles/system-manager-profiles/system-manager").strip()
    assert toplevel in target.succeed("cat /run/loaded").splitlines()
    assert "there already" in deployer.on(target, "bootstrap")
    deployer.on(target, "deactivate", "--purge")
    target.fail("test -e /usr/bin/nix-store -o -e /usr/bin/nix-library")
    assert_same(before, take_snapshot(target))
