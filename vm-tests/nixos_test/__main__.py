"""Runs a test in NixOS's form: evaluates its nodes, switches stock machines to them, and runs the script unchanged.

The nodes are built outside of the machines, which have no Nix. Exit codes: 0 the script came to its end, 1 it failed or
the test could not be built, 2 wrong usage, 77 it can't run here, with the reason.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import kinds
from base.log import log, nested
from driver.command import CANNOT_RUN, WRONG_USAGE, add_options, drive
from program.host import PROGRAM

_DEFAULT_IMAGE = {"container": "debian-12-services"}
_BUILD_LIMIT = 1800
_PERL = "the script is in Perl, of the years before 2020"

# How the program calls back: a file may be a function that gives what is built.
_WRAPPER = """\
{{ system-manager, nixpkgs, system }}:
import {folder} (
  builtins.fromJSON (builtins.readFile {arguments}) // {{ inherit system-manager nixpkgs; }}
)
"""

# A unit that fails is for the script to notice, as after a boot of NixOS: exit code 4.
_SETUP = """\
{before}status=0
ln -sfn {toplevel} /run/booted-system
{toplevel}/bin/switch-to-configuration switch >&2 || status=$?
[ "$status" = 0 ] || [ "$status" = 4 ]
"""

# The programs of a node are on root's PATH; Debian's sudo would forget it. What packages of Debian made when they were
# installed gives way to what the node makes. An sshd that is enabled has two names, as on a stock Debian.
_FOR_NIXOS = """\
rm -rf /var/lib/mysql /root/.ssh
# The file system of a container can't move what its image has, as systemd does for a service with DynamicUser=.
find /var/lib -mindepth 1 -maxdepth 1 -type d -empty | while read -r folder; do
  mkdir "$folder.new"
  chown --reference="$folder" "$folder.new"
  chmod --reference="$folder" "$folder.new"
  rmdir "$folder"
  mv "$folder.new" "$folder"
done
if [ -e /lib/systemd/system/ssh.service ]; then
  ln -sf /lib/systemd/system/ssh.service /etc/systemd/system/sshd.service
fi
if [ -d /etc/sudoers.d ]; then
  echo 'Defaults !secure_path' >/etc/sudoers.d/nixos-test
fi
"""


def main() -> int:
    """Runs the command line; returns the exit code."""
    options = _parse()
    image = options.image or _DEFAULT_IMAGE.get(options.kind)
    wrong = kinds.unknown(options.kind, image)
    if not options.file.exists():
        wrong = f"the test is not there: {options.file}"
    if not PROGRAM.exists():
        wrong = f"{PROGRAM} is not there; run with: cargo build"
    if wrong:
        print(f"error: {wrong}", file=sys.stderr)
        return WRONG_USAGE
    if not options.build_only and (lacking := kinds.missing(options.kind, image)):
        print(f"SKIPPED {lacking}", file=sys.stderr)
        return CANNOT_RUN
    try:
        built = options.file if (options.file / "test.json").is_file() else _build(options, distribution_of(image))
    except RuntimeError as error:
        if _PERL in str(error):
            print(f"SKIPPED {options.file}: {_PERL}", file=sys.stderr)
            return CANNOT_RUN
        print(error, file=sys.stderr)
        return 1
    if options.build_only:
        print(built)
        return 0
    test = json.loads((built / "test.json").read_text())
    if reason := _lacking(test, options):
        print(f"SKIPPED {test['name']}: {reason}", file=sys.stderr)
        return CANNOT_RUN
    config = {
        "name": test["name"],
        "machines": {
            name: {"kind": options.kind, "image": image, **_machine(machine, str(built), test)}
            for name, machine in test["machines"].items()
        },
        "test_script": str(built / "test-script.py"),
        "global_timeout": test["global_timeout"],
        "hosts": test["hosts"],
    }
    return drive(config, options)


def distribution_of(image: str | None) -> str:
    """Returns the name by which the modules know the distribution of an image; `host` is the running system."""
    if image == "host":
        release = platform.freedesktop_os_release()
        return f"{release['ID']}-{release.get('VERSION_ID', '')}"
    known = re.match(r"[a-z]+-[0-9.]+", image or "")
    return known[0] if known else "debian-12"


def is_strict(file: Path) -> bool:
    """Whether a test's commands fail with any of their parts: so does the driver beside it, if there is one."""
    for folder in file.parents:
        driver = folder / "nixos/lib/test-driver"
        if driver.is_dir():
            return any("pipefail" in source.read_text() for source in driver.rglob("*.py"))
    return True


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="nixos-test",
        description="Runs a test in NixOS's form on a stock distribution, where services are the distribution's own.",
        epilog="Exit codes: 0 passed, 1 failed, 2 wrong usage, 77 can't run here (the reason is on standard error).",
    )
    parser.add_argument(
        "file",
        type=Path,
        help="the test: { name, nodes, testScript }, in any form that nixpkgs has; or what --build-only printed",
    )
    parser.add_argument("--test", metavar="NAME", help="which test of the file, when it has several")
    parser.add_argument("--nixpkgs", help="a nixpkgs, for services; `embedded` for none (default: as in NIX_PATH)")
    parser.add_argument(
        "--packages",
        choices=("host", "nixpkgs"),
        default="host",
        help="whose packages the nodes use (default: host, the distribution's)",
    )
    parser.add_argument(
        "--for-nixos",
        action="store_true",
        help="the test knows nothing of a distribution: its files in /etc give way, and sudo keeps PATH, as on NixOS",
    )
    parser.add_argument("--build-only", action="store_true", help="build, print the folder with the test, and stop")
    add_options(parser)
    return parser.parse_args()


def _build(options: argparse.Namespace, distribution: str) -> Path:
    """Builds the folder with the machines' toplevels and the script, or raises with what Nix had to say."""
    here = Path(__file__).resolve().parent
    with tempfile.TemporaryDirectory(prefix="nixos-test-") as folder, nested(f"building {options.file}"):
        arguments = {
            "file": str(options.file.resolve()),
            "test": options.test,
            "distribution": distribution,
            "packages": options.packages,
            "forNixos": options.for_nixos,
            "strict": is_strict(options.file.resolve()),
        }
        (Path(folder) / "arguments.json").write_text(json.dumps(arguments))
        wrapper = Path(folder) / "test.nix"
        wrapper.write_text(_WRAPPER.format(folder=here, arguments=f"{folder}/arguments.json"))
        argv = [str(PROGRAM), "-q", "build", "--file", str(wrapper)]
        if options.nixpkgs:
            argv += ["--nixpkgs", options.nixpkgs]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_BUILD_LIMIT, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"building {options.file}:\n{done.stderr}")
    if done.stderr.strip():
        log(done.stderr)
    return Path(done.stdout.strip())


def _lacking(test: dict[str, Any], options: argparse.Namespace) -> str | None:
    if test["reads_screen"]:
        again = f"vm-tests/nixos-test {options.file} --kind qemu"
        if options.kind != "qemu":
            return f"it reads the screen; run with: {again}"
        if shutil.which("tesseract") is None:
            return f"it reads the screen; run with: apt-get install tesseract-ocr && {again}"
    missing = [name for name in test["python_packages"] if importlib.util.find_spec(name.replace("-", "_")) is None]
    if missing:
        return f"its script imports Python packages; run with: {sys.executable} -m pip install {' '.join(missing)}"
    return None


def _machine(machine: dict[str, Any], built: str, test: dict[str, Any]) -> dict[str, Any]:
    # A machine alone is in no network, unless its node says something of one.
    alone = len(test["machines"]) == 1 and not machine["is_wired"]
    return {
        **({} if alone else {"interfaces": machine["interfaces"]}),
        # All that the script names is in each machine, as on NixOS, where they share a store.
        "closures": [built],
        "setup": _SETUP.format(before=_FOR_NIXOS if test["for_nixos"] else "", toplevel=machine["toplevel"]),
        "strict": test["strict"],
        "search_path": ["/run/current-system/sw/bin", "/run/current-system/sw/sbin", "/run/wrappers/bin"],
    }


if __name__ == "__main__":
    sys.exit(main())
