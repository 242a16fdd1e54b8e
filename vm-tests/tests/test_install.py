"""The packages that `packaging/build` makes, installed as people do, with the distribution's own tools."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from api.machine import Machine
from api.systemd_api import SystemdMachine
from images.rootimage import lacks_root
from judges.snapshot import assert_same, take_snapshot
from program.closure import install_closure, push_binary
from program.host import PROGRAM, PROJECT, Host, build
from test_static import STATIC, needs_static

HELLO = '{ environment.etc."hello".text = "hello\\n"; }'
STAYS = "this host stays as it is"
SHARE = "/usr/share"
COMPLETIONS = ("bash-completion/completions/system-manager", "fish/vendor_completions.d/system-manager.fish")


def _tools(*names: str) -> pytest.MarkDecorator:
    lacking = [name for name in names if not shutil.which(name)]
    return pytest.mark.skipif(
        bool(lacking), reason=f"{', '.join(lacking)} missing; run with: apt-get install lintian rpm"
    )


@pytest.fixture(scope="module")
def packages() -> Iterator[Callable[[str], Path]]:
    """Gives a function that returns the package of a kind, built once."""
    with TemporaryDirectory() as folder:
        built: dict[str, Path] = {}

        def package(kind: str) -> Path:
            if kind not in built:
                env = {**os.environ, "PROGRAM": str(STATIC), "OUT": folder}
                argv = [str(PROJECT / "packaging/build"), kind]
                done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=300, check=False)
                assert done.returncode == 0, done.stderr
                built[kind] = Path(done.stdout.strip())
            return built[kind]

        yield package


def _installs(machine: Machine, package: Path, command: str) -> None:
    machine.copy_from_host(package, f"/root/{package.name}")
    machine.succeed(f"{command} /root/{package.name} 2>&1")


def _is_whole(machine: SystemdMachine, zsh: str) -> None:
    """Checks what the package has brought besides the program."""
    pages = machine.succeed(f"ls {SHARE}/man/man1").split()
    list_commands = "system-manager --help | sed -n '/^Commands:/,/^$/s/^  \\([a-z-]*\\) .*/\\1/p'"
    for command in machine.succeed(list_commands).split():
        assert command == "help" or f"system-manager-{command}.1.gz" in pages, (command, pages)
    assert ".TH system-manager 1" in machine.succeed(f"zcat {SHARE}/man/man1/system-manager.1.gz")
    for file in (*COMPLETIONS, zsh):
        # They ask the program, which knows more than words.
        assert "complete-words" in machine.succeed(f"cat {SHARE}/{file}"), file
    assert "rollback" in machine.succeed("system-manager complete-words line 'system-manager roll'")
    machine.succeed(f"bash -c '. {SHARE}/{COMPLETIONS[0]} && complete -p system-manager'")


def _works_with_sudo(machine: SystemdMachine) -> None:
    """Has an ordinary user run the program with the distribution's own sudo, which searches its own path."""
    rule = "/etc/sudoers.d/joe"
    machine.succeed("useradd --create-home joe", f"echo 'joe ALL=(ALL) NOPASSWD: ALL' >{rule}", f"chmod 440 {rule}")
    said = machine.succeed("runuser --login joe --command 'sudo system-manager status' 2>&1")
    assert "nothing is active" in said, said


def _removal_leaves_what_is_active(machine: SystemdMachine, folder: Path, remove: str, install: str) -> None:
    before = take_snapshot(machine)
    assert STAYS not in machine.succeed(f"{remove} 2>&1"), "nothing is active yet"
    machine.succeed(f"{install} 2>&1")
    toplevel = install_closure(machine, build(HELLO, folder))
    machine.succeed(f"system-manager register {toplevel}", f"system-manager activate {toplevel} 2>&1")
    active = take_snapshot(machine)

    said = machine.succeed(f"{remove} 2>&1")

    machine.fail("command -v system-manager")
    assert STAYS in said and "/var/lib/system-manager/current/bin/system-manager deactivate" in said, said
    assert machine.succeed("cat /etc/hello") == "hello\n"
    assert_same(active, take_snapshot(machine))
    machine.succeed("/var/lib/system-manager/current/bin/system-manager deactivate 2>&1")
    assert_same(before, take_snapshot(machine))


@needs_static
@_tools("dpkg-deb", "lintian")
def test_the_debian_package_is_clean(packages: Callable[[str], Path]) -> None:
    deb = packages("deb")
    argv = ["lintian", "--allow-root", "--pedantic", "--fail-on", "error,warning,pedantic", str(deb)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
    fields = subprocess.run(["dpkg-deb", "--field", str(deb)], capture_output=True, text=True, timeout=60, check=True)
    assert "\nRecommends: nix-bin, busybox-static" in fields.stdout and "\nDepends:" not in fields.stdout, fields.stdout


@needs_static
@_tools("dpkg-deb")
@pytest.mark.parametrize("image", ["debian-12", "debian-13"])
def test_the_debian_package_installs_works_and_goes(
    image: str, make_machine: Callable[..., SystemdMachine], tmp_path: Path, packages: Callable[[str], Path]
) -> None:
    if lacking := lacks_root(image):
        pytest.skip(lacking)
    machine = make_machine(image=image)
    deb = packages("deb")
    # As apt does it, which then needs nothing of the network: there is nothing to depend on. Small images have
    # dpkg leave out manual pages.
    install = f"apt-get install -o Dpkg::Options::=--path-include='{SHARE}/*' --no-install-recommends --quiet --yes"
    _installs(machine, deb, install)
    _is_whole(machine, "zsh/vendor-completions/_system-manager")
    _works_with_sudo(machine)
    remove = "apt-get remove --quiet --yes system-manager"
    _removal_leaves_what_is_active(machine, tmp_path, remove, f"{install} /root/{deb.name}")


@needs_static
@_tools("rpmbuild")
def test_the_rpm_package_installs_works_and_goes(
    practice_host: Host, tmp_path: Path, packages: Callable[[str], Path]
) -> None:
    machine = practice_host.machine
    machine.succeed("rm /usr/local/bin/system-manager", "mkdir -p /var/lib/rpm && rpm --initdb")
    rpm = packages("rpm")
    # A Debian has no package that provides the shell to rpm.
    _installs(machine, rpm, "rpm --nodeps --install")
    machine.succeed("rpm --verify --nodeps system-manager", f"test -s {SHARE}/licenses/system-manager/LICENSE")
    assert "nix" in machine.succeed("rpm --query --recommends system-manager").split()
    _is_whole(machine, "zsh/site-functions/_system-manager")
    _works_with_sudo(machine)
    install = f"rpm --nodeps --install /root/{rpm.name}"
    _removal_leaves_what_is_active(machine, tmp_path, "rpm --erase system-manager", install)


def test_an_ordinary_user_plans_and_builds_where_nix_serves_all_users(
    make_machine: Callable[..., SystemdMachine],
) -> None:
    if lacking := lacks_root("debian-12-nix"):
        pytest.skip(lacking)
    machine = make_machine(image="debian-12-nix")
    push_binary(machine, PROGRAM)
    push_binary(machine, shutil.which("busybox") or "", "/usr/bin/busybox")
    machine.succeed("useradd --create-home --groups nix-users joe", "systemctl start nix-daemon.socket")
    said = machine.succeed("runuser --login joe --command 'system-manager init && system-manager build' 2>&1")
    assert "/nix/store/" in said, said
    # The plan is whole, and says who may carry it out.
    code, said = machine.execute("runuser --login joe --command 'system-manager plan 2>&1'")
    assert code == 1 and "+ /etc/hello" in said and "hint: run this as root" in said, said
    # Whom the daemon does not serve.
    machine.succeed("useradd --create-home jim")
    code, said = machine.execute("runuser --login jim --command 'system-manager init && system-manager build' 2>&1")
    assert code == 1 and "usermod --append --groups nix-users $USER" in said, said
