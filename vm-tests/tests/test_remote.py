"""Other hosts: what is evaluated and built here reaches machines over ssh, and comes back when it cuts them off."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from conftest import MakeMachine
from images.rootimage import lacks_root
from judges.snapshot import assert_same, take_snapshot
from kinds.container import Container
from lines.network import Network
from program.deployer import Deployer

MakeTargets = Callable[..., tuple[Deployer, list[Container]]]

HELLO = """
  {
    environment.etc."hello".text = "%s";
    systemd.services.hello = { wantedBy = [ "multi-user.target" ]; script = "echo %s"; };
  }
"""


@pytest.fixture
def make_targets(
    request: pytest.FixtureRequest,
    make_machine: MakeMachine,
    make_network: Callable[..., Network],
    tmp_path: Path,
) -> MakeTargets:
    """Gives a function that makes a deployer and machines without Nix that it may log in to as root."""

    def make(*names: str, image: str | None = None) -> tuple[Deployer, list[Container]]:
        image = image or request.config.getoption("--image") or "debian-12"
        if lacking := lacks_root(image):
            pytest.skip(lacking)
        network = make_network("deployer", *names)
        deployer = Deployer(cast(Container, make_machine("deployer", network=network, image="host")), tmp_path)
        targets = [cast(Container, make_machine(name, network=network, image=image)) for name in names]
        for target in targets:
            deployer.admit(target)
        return deployer, targets

    return make


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

    plan = deployer.on(target, "plan", *source(tmp_path, HELLO % ("one", "one")))
    assert "+ /etc/hello" in plan or "hello" in plan, plan
    target.fail("test -e /etc/hello")

    output = deployer.on(target, "switch", *source(tmp_path, HELLO % ("one", "one")))
    assert "confirmed" in output, output
    assert target.succeed("cat /etc/hello") == "one"
    assert target.get_unit_property("hello.service", "Result") == "success"
    target.fail("test -e /var/lib/system-manager/confirm.json", "ls /etc/systemd/system/system-manager-return.service")

    # Nothing is sent twice, and a second switch does nothing.
    again = deployer.on(target, "switch", *source(tmp_path, HELLO % ("one", "one")))
    assert "sending" not in again, again
    deployer.on(target, "switch", *source(tmp_path, HELLO % ("two", "two")))
    assert target.succeed("cat /etc/hello") == "two"

    listed = json.loads(deployer.on(target, "-q", "--json", "generations"))
    assert [g["number"] for g in listed["generations"]] == [1, 2]
    deployer.on(target, "rollback")
    assert target.succeed("cat /etc/hello") == "one"
    assert "active: generation 1" in deployer.on(target, "status")

    # Garbage is what no generation needs.
    assert "0 paths have gone" in deployer.on(target, "gc")
    target.succeed("rm /nix/var/nix/profiles/system-manager-profiles/system-manager-2-link")
    count = int(target.succeed("ls /nix/store | wc -l"))
    assert "- /nix/store/" in deployer.on(target, "gc")
    # The toplevel, two files, and the unit.
    assert int(target.succeed("ls /nix/store | wc -l")) == count - 4
    assert target.succeed("cat /etc/hello") == "one"

    deployer.on(target, "deactivate")
    assert_same(before, take_snapshot(target))


BREAKS = {
    "sshd": "systemctl stop ssh.socket ssh.service 2>/dev/null; pkill -x sshd",
    "routes": "ip address flush dev eth1",
    "filter": "ip link set eth1 down",
}

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

BACK = "ip link set eth1 up; ip address replace 192.168.1.2/24 dev eth1; systemctl start ssh.service"


@pytest.mark.parametrize("broken", BREAKS)
@pytest.mark.parametrize("managed", ["nothing before", "a generation before"])
def test_a_host_that_a_switch_cuts_off_returns_by_itself(
    broken: str, managed: str, make_targets: MakeTargets, tmp_path: Path
) -> None:
    deployer, [target] = make_targets("target")
    if managed == "a generation before":
        deployer.on(target, "switch", *source(tmp_path, HELLO % ("one", "one")))
    before = take_snapshot(target)
    cuts = source(tmp_path, CUTS % (BREAKS[broken], BACK))
    output = deployer.on(target, "switch", "--confirm-timeout", "5", *cuts, expect=5)
    assert "has returned to what it was" in output, output
    assert_same(before, take_snapshot(target))
    assert target.execute("cat /etc/hello")[1] == ("one" if managed == "a generation before" else "")
    target.succeed("! test -e /var/lib/system-manager/confirm.json")
    # It can be switched again, and tells how the last run went.
    assert deployer.on(target, "switch", "--attach", expect=5)
    deployer.on(target, "switch", *source(tmp_path, HELLO % ("two", "two")))
    assert target.succeed("cat /etc/hello") == "two"
