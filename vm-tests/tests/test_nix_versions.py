"""The flake, its template and `default.nix`, evaluated, locked, built and switched to on each Nix that can be had.

Debian's Nixes come with images. Another one, such as Lix or Determinate's, is a static program that is named:
`OTHER_NIX=/path/of/nix vm-tests/run test_nix_versions.py`.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from flake_host import SOURCE, FlakeHost
from images.rootimage import lacks_root
from program.closure import push_binary

OTHER = os.environ.get("OTHER_NIX", "")
PROGRAMS = ("nix-build", "nix-env", "nix-instantiate", "nix-store")
NIXES = {
    "debian-12-nix": "2.8.",
    "debian-13-nix": "2.26.",
    # The newest that Debian has; it moves.
    "debian-14-nix": "2.",
    "other": "",
}


@pytest.fixture(params=NIXES)
def host(request: pytest.FixtureRequest, make_machine: Callable[..., SystemdMachine], tmp_path: Path) -> FlakeHost:
    """A machine with one of the Nixes."""
    name = request.param
    if name == "other" and not OTHER:
        pytest.skip(
            "no other Nix at hand, such as Lix or Determinate's;"
            " run with: OTHER_NIX=/path/of/static/nix vm-tests/run test_nix_versions.py"
        )
    image = "debian-12" if name == "other" else name
    if lacking := lacks_root(image):
        pytest.skip(lacking)
    made = FlakeHost(make_machine(image=image), tmp_path)
    if name == "other":
        push_binary(made.machine, OTHER, "/usr/local/bin/nix")
        made.machine.succeed(*(f"ln -s nix /usr/local/bin/{program}" for program in PROGRAMS))
    version = made.nix("nix --version")
    print(f"{name}: {version}")
    assert version.split()[-1].startswith(NIXES[name]), version
    return made


def test_the_template_locks_is_checked_and_switched_to(host: FlakeHost) -> None:
    machine = host.machine
    host.nix("nix flake check --no-build", SOURCE)
    machine.succeed("mkdir /root/host")
    host.nix(f"nix flake init -t path:{SOURCE}", "/root/host")
    host.nix("nix flake lock", "/root/host")
    nodes = json.loads(machine.succeed("cat /root/host/flake.lock"))["nodes"]
    # One nixpkgs, that of system-manager.
    assert nodes["root"]["inputs"]["nixpkgs"] == ["system-manager", "nixpkgs"], nodes
    assert sorted(nodes) == ["nixpkgs", "root", "system-manager"], nodes
    # It boots nothing: machines are not among what is checked.
    checked = host.nix("nix flake check --no-build", "/root/host")
    assert "qemu" not in checked and "image-" not in checked, checked
    built = host.nix("nix eval --raw .#systemConfigs.default.drvPath", "/root/host")
    assert built.split()[-1].endswith("-system-manager-default.drv"), built

    # One's own nixpkgs, as people from numtide/system-manager have it.
    follows = 'system-manager.inputs.nixpkgs.follows = "nixpkgs"; nixpkgs.url = "path:/srv/nixpkgs";'
    machine.succeed(
        "cp -r /root/host /root/other && rm /root/other/flake.lock",
        f"sed -i 's|nixpkgs.follows = .*|{follows}|' /root/other/flake.nix",
    )
    other = host.nix("nix eval --raw .#systemConfigs.default.drvPath", "/root/other")
    assert other.split()[-1].endswith("-system-manager-default.drv"), other

    # The program itself comes by the flake, too.
    host.nix(f"nix run path:{SOURCE} -- switch --flake .", "/root/host")
    assert "managed by system-manager" in machine.succeed("cat /etc/motd")
    assert machine.succeed("bash --login -c hello") == "hello\n"
    host.run("deactivate")


def test_default_nix_gives_what_the_flake_gives(host: FlakeHost) -> None:
    machine = host.machine
    # A source that npins, niv or a channel has brought, and a nixpkgs likewise; without flakes.
    machine.succeed("sed -i /experimental/d /root/.config/nix/nix.conf")
    machine.succeed("mkdir /root/host")
    host.machine.succeed(
        "cat >/root/host/default.nix <<'END'\n"
        "let\n"
        f'  system-manager = import {SOURCE} {{ activator = "/usr/local/bin/system-manager"; busybox = BUSYBOX; }};\n'
        "in\n"
        "system-manager.lib.makeSystemConfig {\n"
        "  modules = [ ({ greeting, ... }: { environment.etc.greeting.text = greeting; }) ];\n"
        '  specialArgs.greeting = "hello";\n'
        "}\n"
        "END",
        "sed -i s,BUSYBOX,/srv/nixpkgs/bin/busybox, /root/host/default.nix",
    )
    toplevel = machine.succeed("cd /root/host && nix-build --no-out-link 2>/dev/null", timeout=300).strip()
    host.run("switch", toplevel)
    assert machine.succeed("cat /etc/greeting") == "hello"
    # The functions are the flake's, but for what needs its inputs.
    names = "builtins.attrNames"
    expression = shlex.quote(f"{names} (import {SOURCE} {{ }}).lib")
    own = json.loads(machine.succeed(f"nix-instantiate --eval --strict --json -E {expression} 2>/dev/null"))
    flake = "nix --extra-experimental-features 'nix-command flakes' eval --json"
    apply = shlex.quote(names)
    theirs = json.loads(machine.succeed(f"cd /root && {flake} path:{SOURCE}#lib --apply {apply} 2>/dev/null"))
    assert sorted({*own, "runNixOSTest"}) == theirs
    host.run("deactivate")
