"""Brings what was built on the host into a machine that has no Nix."""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path

from api.machine import Machine
from base.errors import MachineError
from base.process import run

_LIMIT = 600.0
_STORE = Path("/nix/store")


def closure_of(toplevel: str | os.PathLike[str], store_root: Path = Path("/")) -> list[str]:
    """Returns the store paths that `toplevel` needs, itself included, of the Nix store at `store_root`."""
    argv = ["nix-store"]
    if store_root != Path("/"):
        argv += ["--store", str(store_root)]
    done = run([*argv, "--query", "--requisites", str(toplevel)], _LIMIT, env=dict(os.environ))
    if done.status != 0:
        raise MachineError(f"asking for the closure of `{toplevel}`: {done.errors}")
    return done.text.split()


def install_closure(machine: Machine, toplevel: str | os.PathLike[str], store_root: Path = Path("/")) -> str:
    """Copies the closure of `toplevel` into the machine's /nix/store, and returns the store path of `toplevel`.

    Nothing registers the paths: it is what a machine without Nix has. Paths that are there already are left alone.
    """
    paths = closure_of(toplevel, store_root)
    present = set(machine.execute("ls -1 /nix/store 2>/dev/null")[1].split())
    wanted = [path.lstrip("/") for path in paths if os.path.basename(path) not in present]
    if wanted:
        with tempfile.NamedTemporaryFile(dir=machine.state_dir, suffix=".tar") as archive:
            owner = ["--owner=0", "--group=0", "--numeric-owner"]
            argv = ["tar", "-C", str(store_root), *owner, "-cf", archive.name, *wanted]
            done = run(argv, _LIMIT)
            if done.status != 0 and not _is_only_linked(done.errors):
                raise MachineError(f"packing the closure of `{toplevel}`: {done.errors}")
            machine.unpack(Path(archive.name), "/")
    # A link to the toplevel, such as `result`, is what people name; the last requisite is the path itself.
    return os.path.realpath(toplevel) if store_root == Path("/") else paths[-1]


def _is_only_linked(errors: str) -> bool:
    """Whether tar complains of nothing but that files have changed, which those of a store don't.

    Nix links a file of the store into the sandbox of each build that needs it, and so changes its inode.
    """
    lines = errors.splitlines()
    return bool(lines) and all(line.endswith(": file changed as we read it") for line in lines)


def push_binary(machine: Machine, path: str | os.PathLike[str], target: str | None = None) -> str:
    """Brings a program into the machine (default: /usr/local/bin, under its own name) and returns where it is.

    One of the Nix store comes with all that it needs there, such as its libraries.
    """
    where = target or f"/usr/local/bin/{os.path.basename(path)}"
    program = Path(path).resolve()
    if program.is_relative_to(_STORE):
        install_closure(machine, _STORE / program.relative_to(_STORE).parts[0])
        machine.succeed(f"mkdir -p $(dirname {shlex.quote(where)}); ln -sfn {program} {shlex.quote(where)}")
    else:
        machine.copy_from_host(path, where)
        machine.succeed(f"chmod 755 {shlex.quote(where)}")
    return where
