"""deploy-rs and colmena themselves, where they are at hand: they deploy a toplevel as they do NixOS."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import MakeTargets
from judges.snapshot import assert_same, take_snapshot
from kinds.container import Container
from program.deployer import Deployer
from program.host import PROGRAM, PROJECT

HELLO = '{ environment.etc."hello".text = "%s\\n"; }'

# The last thing that an activation does is to cut the host off.
CUT = '{ environment.etc."hello".text = "cut\\n"; system.activationScripts.cut.text = "%s"; }'


def tool(name: str) -> Path:
    """Returns a tool that is in the PATH, or skips the test."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no `{name}` in the PATH")
    return Path(found).resolve()


def run(deployer: Deployer, *argv: str | Path, expect: int = 0) -> str:
    """Runs a program where the deployer is; the exit code must be the expected one. Returns what it printed."""
    options = f"-o UserKnownHostsFile={deployer.known_hosts} -i {deployer.key} -o IdentitiesOnly=yes"
    settings = "experimental-features = nix-command flakes\nbuild-users-group =\nsubstituters =\nsandbox = false"
    environment = {**deployer.environment(), "NIX_SSHOPTS": options, "NIX_CONFIG": settings}
    done = subprocess.run(
        [*deployer.enter(), *map(str, argv)], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == expect, done.stdout
    return done.stdout


def prepared(make_targets: MakeTargets) -> tuple[Deployer, Container]:
    """Returns a deployer, and a host with Nix."""
    deployer, [target] = make_targets("target", image="debian-12-remote")
    # It is where ssh looks for it.
    deployer.config.write_text(
        f"Host *\n  IdentityFile {deployer.key}\n  UserKnownHostsFile {deployer.known_hosts}\n  IdentitiesOnly yes\n"
    )
    target.succeed("mkdir -p /nix/store /etc/nix", "echo 'build-users-group =' >/etc/nix/nix.conf", "nix-store --init")
    return deployer, target


def hello(target: Container) -> str:
    """Returns what the configuration says there."""
    return target.succeed("cat /etc/hello").strip()


DEPLOY = """
{{ outputs = _: let
    toplevel = (import {project} {{ activator = "{program}"; }}).lib.makeSystemConfig {{ modules = [ {file} ]; }};
    # What deploy-rs's own `activate.custom` makes, without its nixpkgs.
    busybox = import {project}/modules/busybox.nix {{ }};
    profile = derivation {{
      inherit busybox toplevel;
      name = "activatable";
      system = "x86_64-linux";
      tool = builtins.path {{ path = {tool}; name = "activate"; }};
      builder = "${{busybox}}/busybox";
      PATH = busybox;
      args = [ "sh" "-euc" ''
        busybox mkdir $out
        for part in $toplevel/*; do busybox ln -s $part $out/; done
        busybox ln -s $tool $out/activate-rs
        echo '#!/bin/sh
        set -eu
        switch=$PROFILE/bin/switch-to-configuration
        if [ "''${{DRY_ACTIVATE:-}}" = 1 ]; then $switch dry-activate
        elif [ "''${{BOOT:-}}" = 1 ]; then $switch boot
        else $switch switch; fi' >$out/deploy-rs-activate
        busybox chmod 755 $out/deploy-rs-activate
      '' ];
    }};
  in {{
    deploy.nodes.web = {{
      hostname = "{address}";
      sshUser = "root";
      fastConnection = true;
      confirmTimeout = 10;
      activationTimeout = 60;
      profiles.system = {{ user = "root"; path = profile; }};
    }};
  }}; }}
"""


def test_deploy_rs_deploys_confirms_and_rolls_back(make_targets: MakeTargets, tmp_path: Path) -> None:
    deploy = tool("deploy")
    deployer, target = prepared(make_targets)
    before = take_snapshot(target)
    # The flake reads the project where it is, which a flake may not: so its Nix is told to let it.
    nix = tmp_path / "bin/nix"
    nix.parent.mkdir()
    nix.write_text(f'#!/bin/sh\nexec {shutil.which("nix")} "$@" --impure\n')
    nix.chmod(0o755)
    (tmp_path / "flake").mkdir()

    def deployed(text: str, *options: str, expect: int = 0) -> str:
        file = tmp_path / "web.nix"
        file.write_text(text)
        flake = DEPLOY.format(
            project=PROJECT,
            program=PROGRAM,
            file=file,
            tool=deploy.with_name("activate"),
            address=deployer.address(target),
        )
        (tmp_path / "flake/flake.nix").write_text(flake)
        return run(deployer, deploy, "--skip-checks", *options, f"path:{tmp_path}/flake#web", expect=expect)

    deployed(HELLO % "one")
    assert hello(target) == "one"
    deployed(HELLO % "two", "--dry-activate")
    assert hello(target) == "one"
    deployed(HELLO % "two")
    assert hello(target) == "two"
    listed = target.succeed("nix-env --profile /nix/var/nix/profiles/system --list-generations")
    assert len(listed.splitlines()) == 2, listed

    # Its own way back: it can't reach the host to confirm, and activates what was there before.
    rule = "chain input { type filter hook input priority 0; tcp dport 22 ct state new drop; }"
    deployed(CUT % f"/usr/sbin/nft 'table inet cut {{ {rule}; }}'", expect=1)
    target.wait_until_succeeds("grep two /etc/hello", timeout=60)
    target.succeed("nft delete table inet cut")
    deployed(HELLO % "three")
    assert hello(target) == "three"
    target.succeed("/nix/var/nix/profiles/system/bin/system-manager deactivate")
    target.succeed("rm /nix/var/nix/profiles/system /nix/var/nix/profiles/system-*-link")
    assert_same(before, take_snapshot(target))


HIVE = """
let
  system-manager = import {project} {{ nixpkgs = {nixpkgs}; activator = "{program}"; }};
in
{{
  meta.nixpkgs = import {nixpkgs} {{ system = "x86_64-linux"; }} // {{ path = {project}/contrib/colmena; }};
  meta.specialArgs = {{ inherit system-manager; }};
  web = {{
    imports = [ {file} ];
    deployment = {{ targetHost = "{address}"; targetUser = "root"; }};
  }};
}}
"""


def test_colmena_applies_a_toplevel_in_place_of_that_of_nixos(make_targets: MakeTargets, tmp_path: Path) -> None:
    colmena = tool("colmena")
    nixpkgs = os.environ.get("NIXPKGS")
    if not nixpkgs:
        pytest.skip("colmena evaluates NixOS; run with: NIXPKGS=/path/to/nixpkgs")
    deployer, target = prepared(make_targets)
    before = take_snapshot(target)

    def applied(text: str, goal: str) -> str:
        file = tmp_path / "web.nix"
        file.write_text(text)
        hive = HIVE.format(
            nixpkgs=nixpkgs, project=PROJECT, program=PROGRAM, file=file, address=deployer.address(target)
        )
        (tmp_path / "hive.nix").write_text(hive)
        return run(deployer, colmena, "--config", tmp_path / "hive.nix", "--impure", "apply", goal)

    applied(HELLO % "one", "switch")
    assert hello(target) == "one"
    applied(HELLO % "two", "dry-activate")
    assert hello(target) == "one"
    applied(HELLO % "two", "test")
    assert hello(target) == "two"
    applied(HELLO % "three", "switch")
    assert hello(target) == "three"
    target.succeed("/nix/var/nix/profiles/system/bin/system-manager deactivate")
    target.succeed("rm /nix/var/nix/profiles/system /nix/var/nix/profiles/system-*-link")
    assert_same(before, take_snapshot(target))
