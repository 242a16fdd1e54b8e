"""Doors to what fleets have already: Ansible, tools that drive NixOS profiles, cloud-init."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conftest import MakeTargets
from judges.snapshot import assert_same, take_snapshot
from kinds.container import Container
from program.closure import install_closure, push_binary
from program.deployer import Deployer
from program.host import PROGRAM, PROJECT, build

HELLO = '{ environment.etc."hello".text = "%s\\n"; }'
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "system-manager"


def ansible() -> Path:
    """Returns the program `ansible`; where it is not there it is installed beside, or the test is skipped."""
    if found := shutil.which("ansible"):
        return Path(found)
    folder = CACHE / "ansible"
    program = folder / "bin/ansible"
    if not program.exists():
        make = subprocess.run(
            ["python3", "-m", "venv", "--clear", folder], capture_output=True, check=False, timeout=120
        )
        # For Python 3.11 on the hosts and here.
        install = [str(folder / "bin/pip"), "install", "--quiet", "ansible-core>=2.16,<2.18"]
        if (
            make.returncode != 0
            or subprocess.run(install, capture_output=True, check=False, timeout=300).returncode != 0
        ):
            pytest.skip("there is no ansible-core, and pip can't install it; run with: pip install ansible-core")
    return program


def run_module(
    deployer: Deployer, target: Container, options: dict[str, Any], *flags: str
) -> tuple[str, dict[str, Any], str]:
    """Runs the module on a machine. Returns Ansible's word for how it went, what the module returned, and all of it."""
    ssh = f"-o UserKnownHostsFile={deployer.known_hosts} -o IdentitiesOnly=yes"
    argv = [
        *deployer.enter(), str(ansible()), "all", "--inventory", f"{deployer.address(target)},", "--user", "root",
        "--private-key", str(deployer.key), f"--ssh-common-args={ssh}",
        "--module-path", str(PROJECT / "contrib/ansible/library"),
        "--module-name", "system_manager",
        "--args", json.dumps({"program": "/usr/local/bin/system-manager", **options}),
        "--extra-vars", "ansible_python_interpreter=/usr/bin/python3", *flags,
    ]  # fmt: skip
    # Its master connections outlive it, and hold what it prints to.
    own = {"ANSIBLE_LOCAL_TEMP": str(deployer.folder / "ansible"), "ANSIBLE_SSH_ARGS": "-o ControlMaster=no"}
    environment = {**deployer.environment(), **own, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60
    )
    head, separator, returned = done.stdout.partition(" => ")
    assert separator, done.stdout + done.stderr
    values: dict[str, Any] = json.JSONDecoder().raw_decode(returned)[0]
    return head.rpartition("| ")[2].strip("! "), values, done.stdout


def test_ansible_plans_in_check_mode_shows_differences_and_tells_the_truth(
    make_targets: MakeTargets, tmp_path: Path
) -> None:
    deployer, [target] = make_targets("target")
    target.succeed("test -x /usr/bin/python3")
    push_binary(target, PROGRAM)
    one, two = (install_closure(target, build(HELLO % text, tmp_path)) for text in ("one", "two"))
    before = take_snapshot(target)

    # Check mode is a plan, and changes nothing.
    word, returned, shown = run_module(deployer, target, {"source": one}, "--check", "--diff")
    assert word == "CHANGED" and returned["changed"], returned
    assert "/etc/hello\n+one\n" in shown, shown
    assert_same(before, take_snapshot(target))

    word, returned, shown = run_module(deployer, target, {"source": one})
    assert word == "CHANGED" and target.succeed("cat /etc/hello") == "one\n", returned
    # Done again, it is nothing; with and without check mode.
    for flags in ([], ["--check"]):
        word, returned, shown = run_module(deployer, target, {"source": one}, *flags)
        assert word == "SUCCESS" and not returned["changed"], returned
    word, returned, shown = run_module(deployer, target, {"source": two}, "--check", "--diff")
    assert "-one\n+two\n" in shown, shown

    # What is refused is a failure that changed nothing, and so is what can't be.
    target.succeed("touch /etc/foreign")
    refused = install_closure(target, build('{ environment.etc."foreign".text = "x"; }', tmp_path))
    for flags in ([], ["--check"]):
        word, returned, shown = run_module(deployer, target, {"source": refused}, *flags)
        assert word == "FAILED" and not returned["changed"] and "/etc/foreign" in returned["msg"], returned
    target.succeed("rm /etc/foreign")
    # What was activated, and a script of which failed, is both.
    text = '{ environment.etc."hello".text = "three\\n"; system.activationScripts.fails.text = "exit 7"; }'
    word, returned, shown = run_module(deployer, target, {"source": install_closure(target, build(text, tmp_path))})
    assert word == "FAILED" and returned["changed"] and "fails" in returned["msg"], returned
    assert target.succeed("cat /etc/hello") == "three\n"

    word, returned, shown = run_module(deployer, target, {"state": "absent"})
    assert word == "CHANGED", returned
    assert_same(before, take_snapshot(target))
    assert run_module(deployer, target, {"state": "absent"})[0] == "SUCCESS"


def test_what_deploy_rs_and_colmena_call_works_on_a_profile(make_targets: MakeTargets, tmp_path: Path) -> None:
    deployer, [target] = make_targets("target", image="debian-12-remote")
    target.succeed("mkdir -p /nix/store", "NIX_CONFIG='build-users-group =' nix-store --init")
    before = take_snapshot(target)
    paths = []
    for text in ("one", "two", "three"):
        paths.append(build(HELLO % text, tmp_path))
        # Any way of bringing paths will do.
        deployer.on(target, "plan", paths[-1])
    one, two, three = paths
    profile = "/nix/var/nix/profiles/system"
    own = f"NIX_CONFIG='build-users-group =' nix-env --profile {profile}"

    def hello() -> str:
        return target.succeed("cat /etc/hello").strip()

    # As both do it: the profile is set, and the interface of NixOS's profiles called.
    target.succeed(f"{own} --set {one}", f"{profile}/bin/switch-to-configuration switch")
    assert hello() == "one"
    target.succeed(f"{own} --set {two}", f"{profile}/bin/switch-to-configuration dry-activate")
    assert hello() == "one"
    target.succeed(f"{profile}/bin/switch-to-configuration test")
    assert hello() == "two"
    # What is for the next boot becomes the generation, and its files are there.
    target.succeed(f"{own} --set {three}", f"{profile}/bin/switch-to-configuration boot")
    assert hello() == "three"
    listed = json.loads(target.succeed(f"{profile}/bin/system-manager generations --json"))["generations"]
    assert [generation["toplevel"] for generation in listed if generation["current"]] == [three]
    # The way back of deploy-rs, after a host that it does not reach any more.
    target.succeed(f"{own} --rollback", f"{profile}/bin/switch-to-configuration switch")
    assert hello() == "two"
    target.succeed(f"{profile}/bin/system-manager deactivate", f"rm {profile} {profile}-*-link")
    assert_same(before, take_snapshot(target))


def example_of_cloud_init(target: Container, folder: Path) -> tuple[str, str]:
    """Makes a binary cache with a key in a folder of a machine. Returns a toplevel, and the example, filled in."""
    toplevel = build(HELLO % "first boot", folder)
    cache = folder / "cache"
    key: list[str | Path] = ["nix-store", "--generate-binary-cache-key", "test-1", folder / "secret", folder / "public"]
    subprocess.run(key, capture_output=True, check=True, timeout=60)
    copy = ["nix", "--extra-experimental-features", "nix-command", "copy", "--to"]
    store = f"file://{cache}?compression=none&secret-key={folder / 'secret'}"
    subprocess.run([*copy, store, toplevel], check=True, timeout=300)
    target.copy_from_host(cache, "/srv/cache")
    target.fail("test -e /nix/store")
    text = (PROJECT / "examples/cloud-init.yaml").read_text()
    for name, value in (
        ("TOPLEVEL", toplevel),
        ("CACHE", "file:///srv/cache"),
        ("KEY", (folder / "public").read_text().strip()),
    ):
        line = next(line for line in text.splitlines() if line.strip().startswith(f"{name}="))
        text = text.replace(line, f"{line.partition('=')[0]}={value}")
    return toplevel, text


def test_cloud_init_brings_a_fresh_machine_to_a_toplevel(make_targets: MakeTargets, tmp_path: Path) -> None:
    ruamel = pytest.importorskip(
        "ruamel.yaml", reason="check-jsonschema brings it; run with: pip install check-jsonschema"
    )
    _, [target] = make_targets("target", image="debian-12-remote")
    toplevel, text = example_of_cloud_init(target, tmp_path)
    wanted = ruamel.YAML(typ="safe").load(text)
    # What cloud-init does with them, without its network and its repositories.
    assert set(wanted) == {"package_update", "packages", "write_files", "runcmd"}
    assert target.execute(f"dpkg --status {' '.join(wanted['packages'])}")[0] == 0
    for file in wanted["write_files"]:
        (tmp_path / "file").write_text(file["content"])
        target.copy_from_host(tmp_path / "file", file["path"])
        target.succeed(f"chmod {file['permissions']} {file['path']}")
    (tmp_path / "runcmd").write_text("#!/bin/sh\n" + "\n".join(wanted["runcmd"]))
    target.copy_from_host(tmp_path / "runcmd", "/root/runcmd")
    target.succeed("systemd-run --quiet --wait --service-type=oneshot sh /root/runcmd")
    assert target.succeed("cat /etc/hello") == "first boot\n"
    assert "active: generation 1" in target.succeed(f"{toplevel}/bin/system-manager status")
    # A cache whose key is another one is refused.
    other = "test-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    target.succeed(f"{toplevel}/bin/system-manager deactivate", "rm -rf /nix/store /nix/var/nix")
    target.succeed(f"sed -i 's|^KEY=.*|KEY={other}|' /run/system-manager-first-boot")
    target.fail("systemd-run --quiet --collect --wait --service-type=oneshot sh /root/runcmd")
    target.fail("test -e /etc/hello")


def test_cloud_init_itself_does_so_at_the_first_boot(make_targets: MakeTargets, tmp_path: Path) -> None:
    _, [target] = make_targets("target", image="debian-12-cloud")
    toplevel, text = example_of_cloud_init(target, tmp_path)
    # What a cloud hands over with a disk (NoCloud), to a machine that has not been booted with it yet.
    seed = tmp_path / "seed"
    seed.mkdir()
    (seed / "meta-data").write_text("instance-id: first\nlocal-hostname: web\n")
    (seed / "user-data").write_text(text)
    (seed / "network-config").write_text("version: 2\n")
    target.copy_from_host(seed, "/var/lib/cloud/seed/nocloud")
    # Its repository is the one that it has; Nix came with the image.
    target.succeed("rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*", "rm -rf /var/lib/apt/lists/*")
    # There is no package `locales`. And machines of the tests start nothing by themselves, as clouds' images do.
    target.succeed("echo 'locale: false' >/etc/cloud/cloud.cfg.d/90_test.cfg")
    target.succeed("systemctl enable cloud-init-local cloud-init cloud-config cloud-final")
    target.fail("test -e /etc/hello", "test -e /var/lib/cloud/instance")
    target.reboot()
    status = "timeout 120 cloud-init status --wait --long"
    code, shown = target.execute(status, timeout=150)
    assert "status: done" in shown and "DataSourceNoCloud" in shown, f"{code}: {shown}"
    assert target.succeed("cat /etc/hello") == "first boot\n"
    assert "active: generation 1" in target.succeed(f"{toplevel}/bin/system-manager status")
    # The next boot is no first one, and leaves it as it is.
    before = take_snapshot(target)
    target.reboot()
    assert "status: done" in target.execute(status, timeout=150)[1]
    assert_same(before, take_snapshot(target))


def test_the_example_for_cloud_init_is_what_cloud_init_reads() -> None:
    if not shutil.which("cloud-init"):
        pytest.skip("there is no cloud-init here; run with: apt-get install --no-install-recommends cloud-init")
    example = PROJECT / "examples/cloud-init.yaml"
    argv = ["cloud-init", "schema", "--config-file", str(example)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0 and "Valid" in done.stdout, done.stdout + done.stderr
    # Its check does find what is wrong.
    broken = "runcmd: 7\n#cloud-config\n".replace("#cloud-config\n", "")
    path = CACHE / "broken-cloud-config.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#cloud-config\n" + broken)
    argv[-1] = str(path)
    assert subprocess.run(argv, capture_output=True, check=False, timeout=120).returncode != 0
