"""`system.autoUpgrade` of what is evaluated on the machine itself: a file, and a flake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from flake_host import SOURCE, FlakeHost
from images.rootimage import lacks_root

IMAGE = "debian-12-nix"
JOURNAL = "journalctl --unit system-manager-upgrade.service --output cat"
MODULE = """
{
  nixpkgs.hostPlatform = "x86_64-linux";
  environment.etc."version".text = "VERSION";
  systemd.services.app = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig = { Type = "oneshot"; RemainAfterExit = true; ExecStart = "PROGRAM"; };
  };
  system.autoUpgrade = {
    enable = true;
    SOURCE
    rollbackOnFailure = true;
    allowReboot = true;
    dates = "yearly";
  };
}
"""
FLAKE = f"""
{{
  inputs.system-manager.url = "path:{SOURCE}";
  outputs = {{ system-manager, ... }}: {{
    systemConfigs.default = system-manager.lib.makeSystemConfig {{ modules = [ ./system.nix ]; }};
  }};
}}
"""


@pytest.fixture
def host(make_machine: Callable[..., SystemdMachine], tmp_path: Path) -> FlakeHost:
    """A machine with a Nix."""
    if lacking := lacks_root(IMAGE):
        pytest.skip(lacking)
    return FlakeHost(make_machine(image=IMAGE), tmp_path)


@pytest.mark.parametrize("kind", ["file", "flake"])
def test_a_timer_switches_to_what_is_built_on_the_machine(host: FlakeHost, kind: str) -> None:
    machine = host.machine
    source = {"file": 'file = "/srv/host/system.nix";', "flake": 'flake = "path:/srv/host";'}[kind]
    machine.succeed("mkdir /srv/host", "cp /srv/nixpkgs/bin/busybox /usr/bin/")
    if kind == "flake":
        machine.succeed(f"cat >/srv/host/flake.nix <<'END'{FLAKE}END")

    def edit(version: str, program: str = "/bin/true") -> None:
        text = MODULE.replace("VERSION", version).replace("PROGRAM", program).replace("SOURCE", source)
        machine.succeed(f"cat >/srv/host/system.nix <<'END'{text}END")

    edit("one")
    how = {"file": ["--file", "/srv/host/system.nix"], "flake": ["--flake", "path:/srv/host"]}[kind]
    said = host.run("switch", *how)
    # It says what it does here: nothing.
    assert "system.autoUpgrade.allowReboot has no effect: the kernel is the distribution's" in said, said

    # While another run is under way, it waits for that.
    edit("two")
    machine.succeed("(flock 9; echo held >/run/held; sleep 5) 9<>/var/lib/system-manager/lock >/dev/null 2>&1 &")
    machine.wait_for_file("/run/held")
    machine.succeed("systemctl start system-manager-upgrade.service", timeout=300)
    assert machine.succeed("cat /etc/version") == "two"
    journal = machine.succeed(JOURNAL)
    assert "Generation 2 is active" in journal, journal

    # One that fails goes back, and is told.
    edit("three", "/bin/false")
    machine.fail("systemctl start system-manager-upgrade.service")
    assert machine.succeed("cat /etc/version") == "two"
    journal = machine.succeed(JOURNAL)
    assert "the switch failed, and what was active before is active again" in journal, journal
    assert "system-manager-upgrade.service" in host.run("status")
    # One that does not evaluate changes nothing, and is told, too.
    machine.succeed("echo '{' >/srv/host/system.nix")
    machine.fail("systemctl start system-manager-upgrade.service")
    assert machine.succeed("cat /etc/version") == "two"
    assert "syntax error" in machine.succeed(JOURNAL)
    # The next one that is well makes it good.
    edit("four")
    machine.succeed("systemctl start system-manager-upgrade.service", timeout=300)
    assert machine.succeed("cat /etc/version") == "four"


def test_the_collector_of_nix_keeps_what_is_needed_and_says_what_goes(host: FlakeHost) -> None:
    machine = host.machine
    machine.succeed("mkdir /srv/host", "cp /srv/nixpkgs/bin/busybox /usr/bin/")

    def build(version: str) -> str:
        machine.succeed(f"""echo '{{ environment.etc.version.text = "{version}"; }}' >/srv/host/system.nix""")
        return machine.succeed("system-manager build --file /srv/host/system.nix 2>/dev/null").strip()

    generations = [build(version) for version in ("one", "two", "three")]
    for toplevel in generations:
        host.run("switch", toplevel)
    # Active, and no generation.
    active = build("four")
    host.run("activate", active)
    # A root of somebody else, and what nobody needs.
    theirs, nobodys = build("five"), build("six")
    machine.succeed(f"ln -s {theirs} /nix/var/nix/gcroots/theirs")

    there = set(machine.succeed("ls /nix/store").split())
    would = host.json("gc", "--keep", "1", "--dry-run")
    assert would["dryRun"] and would["generations"] == [1, 2], would
    assert "Only these generations need" in host.run("gc", "--keep", "1", "--dry-run")
    assert set(machine.succeed("ls /nix/store").split()) == there
    did = host.json("gc", "--keep", "1")
    gone = there - set(machine.succeed("ls /nix/store").split())
    assert did["bytes"] > 0, did
    assert {path.split("/")[-1] for path in did["paths"]} == gone, (did, gone)
    assert {nobodys, generations[0], generations[1]} <= set(did["paths"]), did
    # What only these generations needed was counted before they went.
    assert (sorted(would["paths"]), would["bytes"]) == (sorted(did["paths"]), did["bytes"]), (would, did)
    for path in (generations[2], active, theirs):
        machine.succeed(f"nix-store --query --requisites {path} | xargs ls -d")
    assert machine.succeed("cat /etc/version") == "four"
    machine.succeed("test -L /nix/var/nix/gcroots/theirs", "test ! -e /nix/var/nix/gcroots/system-manager-needs")
    assert "0 paths have been removed, 0 B" in host.run("gc")
    host.run("rollback", "--to", "3")
    machine.succeed("nix-store --verify --check-contents")


TYPE = """
import os, pty, sys
command, password = sys.argv[1:]
child, terminal = pty.fork()
if child == 0:
    # Not by su, which takes the terminal away from what it is given.
    become = ["--reuid", "builder", "--regid", "builder", "--init-groups", "--reset-env"]
    os.execvp("setpriv", ["setpriv", *become, "bash", "-lc", "cd; " + command])
said, prompts = b"", 0
while True:
    try:
        read = os.read(terminal, 4096)
    except OSError:
        break
    if not read:
        break
    said += read
    if said.count(b"password for builder:") > prompts:
        prompts += 1
        os.write(terminal, password.encode() + b"\\n")
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
sys.stdout.write(said.decode(errors="replace"))
print(f"\\n{prompts} prompts, exit code {code}")
"""


def test_an_ordinary_user_builds_and_is_asked_once(host: FlakeHost) -> None:
    machine = host.machine
    machine.succeed(
        "cp /srv/nixpkgs/bin/busybox /usr/bin/",
        "systemctl start nix-daemon.socket",
        "useradd --create-home --shell /bin/bash --groups nix-users builder",
        "echo builder:secret | chpasswd",
        # No more than one try, and nothing is remembered from one to the next.
        "printf 'Defaults passwd_tries=1, timestamp_timeout=0\\nbuilder ALL=(ALL) ALL\\n' >/etc/sudoers.d/builder",
        "mkdir -p /home/builder/host",
        """echo '{ environment.etc."built".text = "by a user\\n"; }' >/home/builder/host/system.nix""",
        "chown -R builder /home/builder/host",
        f"cat >/root/type.py <<'END'\n{TYPE}END",
    )

    def type_in(command: str, password: str) -> str:
        return machine.succeed(f"python3 /root/type.py '{command}' {password}", timeout=300)

    switch = "cd host && system-manager switch --file system.nix --ask-sudo-password"
    wrong = type_in(switch, "mistaken")
    assert "1 prompts, exit code 1" in wrong, wrong
    machine.fail("test -e /etc/built")
    done = type_in(switch, "secret")
    assert "1 prompts, exit code 0" in done, done
    assert machine.succeed("cat /etc/built") == "by a user\n"
    # It was built by the user: root has evaluated nothing.
    machine.succeed("ls -d /home/builder/.cache/system-manager/nix-*")
    machine.fail("test -d /root/.cache/system-manager")
    done = type_in("system-manager deactivate --sudo", "secret")
    assert "1 prompts, exit code 0" in done, done
    machine.fail("test -e /etc/built")
    machine.succeed("rm /etc/sudoers.d/builder", "userdel --remove builder")
