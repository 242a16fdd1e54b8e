"""Modules that projects keep outside of nixpkgs, unmodified, on a stock distribution.

They need a nixpkgs and a folder with checkouts of `agenix` and of `home-manager` (of the nixpkgs's release):
`NIXPKGS=/path/of/nixpkgs NIXOS_MODULES=/folder/of/checkouts vm-tests/run test_outside_modules.py`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from nixos_host import NixosHost, make_nixos_host
from program.closure import closure_of

CHECKOUTS = os.environ.get("NIXOS_MODULES", "")

pytestmark = [
    pytest.mark.needs_image("nix"),
    pytest.mark.skipif(
        not CHECKOUTS,
        reason="no checkouts at hand; run with: NIXPKGS=/path/of/nixpkgs NIXOS_MODULES=/folder/of/checkouts"
        " vm-tests/run test_outside_modules.py",
    ),
]


@pytest.fixture
def host(
    request: pytest.FixtureRequest, make_machine: Callable[..., SystemdMachine], machine_kind: str, tmp_path: Path
) -> NixosHost:
    """A machine with a Nix for all users, and `age`."""
    return make_nixos_host(request, make_machine, machine_kind, tmp_path)


def checkout(project: str) -> Path:
    """Returns where a project's checkout is; without one, the test is skipped."""
    folder = Path(CHECKOUTS, project)
    if not folder.is_dir():
        pytest.skip(f"there is no checkout of {project} in {CHECKOUTS}")
    return folder


SECRET = """
  imports = [ CHECKOUT/modules/age.nix ];
  age.identityPaths = [ "/etc/age.key" ];
  age.secrets.word = { file = FILE; owner = "reader"; mode = "0400"; };
  users.users.reader = { isSystemUser = true; group = "reader"; };
  users.groups.reader = { };
  systemd.services.reader = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig = { User = "reader"; Type = "oneshot"; RemainAfterExit = true; };
    script = "cat ${config.age.secrets.word.path} >/dev/shm/read";
  };
"""


def test_agenix_decrypts_with_the_age_of_the_distribution_before_units_start(host: NixosHost) -> None:
    machine = host.machine
    machine.succeed("age-keygen --output /etc/age.key 2>/dev/null")
    recipient = machine.succeed("age-keygen -y /etc/age.key").strip()

    def secret(word: str) -> str:
        encrypted = machine.succeed(f"printf {word} | age --armor --recipient {recipient}")
        file = host.folder / f"{word}.age"
        file.write_text(encrypted)
        return SECRET.replace("CHECKOUT", str(checkout("agenix"))).replace("FILE", str(file))

    host.switch(secret("first"))
    machine.wait_for_unit("reader.service")
    assert machine.succeed("cat /dev/shm/read") == "first"
    assert machine.succeed("stat --dereference --format '%U %a' /run/agenix/word").strip() == "reader 400"
    host.switch(secret("second"))
    assert machine.succeed("cat /run/agenix/word") == "second"


HOME = """
  imports = [ CHECKOUT/nixos ];
  # Debian lets this group use its Nix.
  users.users.alice = { isNormalUser = true; extraGroups = [ "nix-users" ]; };
  home-manager.users.alice = {
    home.stateVersion = "24.11";
    manual.manpages.enable = false;
    home.file.".greeting".text = "hello VALUE";
    home.sessionVariables.WORD = "VALUE";
    programs.bash.enable = true;
    systemd.user.services.hello = {
      Service.ExecStart = "/usr/bin/sleep infinity";
      Install.WantedBy = [ "default.target" ];
    };
  };
"""


def register(host: NixosHost, toplevel: str) -> None:
    """Tells the machine's Nix of a toplevel's closure, as `nix copy` would have done."""
    paths = closure_of(toplevel)
    dump = subprocess.run(["nix-store", "--dump-db", *paths], capture_output=True, text=True, check=True).stdout
    host.machine.succeed(f"nix-store --load-db <<'END'\n{dump}END")


def test_home_manager_activates_the_home_of_a_user_and_the_next_one(host: NixosHost) -> None:
    machine = host.machine
    machine.succeed("systemctl start nix-daemon.socket")
    for word in ("first", "second"):
        toplevel = host.bring(HOME.replace("CHECKOUT", str(checkout("home-manager"))).replace("VALUE", word))
        register(host, toplevel)
        host.run("activate", toplevel)
        assert machine.succeed("cat /home/alice/.greeting").strip() == f"hello {word}"
        assert machine.succeed("su - alice --command 'echo $WORD'").strip() == word
    machine.succeed("test -L /home/alice/.config/systemd/user/hello.service")
