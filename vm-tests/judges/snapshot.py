"""Records all that a tree in a machine is, and says in words how it differs later."""

from __future__ import annotations

import fnmatch
import json
import shlex
from collections.abc import Mapping, Sequence

from api.machine import Machine
from base.errors import MachineError, RequestedAssertionFailed

Entry = Mapping[str, object]
Snapshot = Mapping[str, Entry]
"""What each path is: `type`, `mode`, `owner`, `xattrs`; as it applies `sha256`, `size`, `target`, `device`, `mtime`."""

ACCOUNT_BACKUPS = ("group-", "gshadow-", "passwd-", "shadow-")
"""The copies in /etc that every change of an account leaves, whoever makes it: they are as before the last change."""

SUBID_BACKUPS = ("subgid-", "subuid-")
"""The same for subordinate ids."""

_WALK = r"""
import hashlib, json, os, stat, sys
top, with_times = sys.argv[1], sys.argv[2] == "1"
kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link", stat.S_IFIFO: "fifo",
         stat.S_IFSOCK: "socket", stat.S_IFCHR: "character device", stat.S_IFBLK: "block device"}
tree = {}
def record(path):
    st = os.lstat(path)
    entry = {"type": kinds[stat.S_IFMT(st.st_mode)], "mode": f"{stat.S_IMODE(st.st_mode):04o}",
             "owner": f"{st.st_uid}:{st.st_gid}",
             "xattrs": {n: os.getxattr(path, n, follow_symlinks=False).hex()
                        for n in sorted(os.listxattr(path, follow_symlinks=False))}}
    if entry["type"] == "link":
        entry["target"] = os.readlink(path)
    elif entry["type"] == "file":
        with open(path, "rb") as stream:
            data = stream.read()
        entry["sha256"], entry["size"] = hashlib.sha256(data).hexdigest(), len(data)
    elif "device" in entry["type"]:
        entry["device"] = f"{os.major(st.st_rdev)}:{os.minor(st.st_rdev)}"
    if with_times:
        entry["mtime"] = st.st_mtime_ns
    tree[os.path.relpath(path, top)] = entry
def refuse(error):
    raise error
record(top)
for directory, directories, files in os.walk(top, onerror=refuse):
    for name in directories + files:
        record(os.path.join(directory, name))
json.dump(tree, sys.stdout)
"""


def run_python(machine: Machine, program: str, *arguments: str, timeout: float | None = None) -> str:
    """Runs a Python program in the machine and returns its stdout. Needs python3 there."""
    words = " ".join(map(shlex.quote, arguments))
    command = f"python3 -I - {words} <<'END OF PROGRAM'\n{program}\nEND OF PROGRAM\n"
    # Not `succeed`, which logs the whole program.
    status, output = machine.execute(command, timeout=timeout)
    if status != 0:
        raise MachineError(f"{machine.name}: a program of the test's own failed (exit code {status}): {output}")
    return output


def take_snapshot(machine: Machine, tree: str = "/etc", *, mtimes: bool = False) -> Snapshot:
    """Records a tree of the machine; a path that can't be read is an error. Reads only."""
    snapshot: Snapshot = json.loads(run_python(machine, _WALK, tree, str(int(mtimes))))
    return snapshot


def differences(before: Snapshot, after: Snapshot, ignore: Sequence[str] = ()) -> list[str]:
    """Says how `after` differs from `before`, a line per path. `ignore` are shell patterns of paths. Pure."""
    lines = []
    for path in sorted(before.keys() | after.keys()):
        if any(fnmatch.fnmatchcase(path, pattern) for pattern in ignore):
            continue
        old, new = before.get(path), after.get(path)
        if old is None:
            lines.append(f"+ {path}: {_describe(new)}")
        elif new is None:
            lines.append(f"- {path}: {_describe(old)}")
        elif old != new:
            keys = sorted(old.keys() | new.keys())
            parts = [
                f"{key} {_short(old.get(key))} -> {_short(new.get(key))}"
                for key in keys
                if old.get(key) != new.get(key)
            ]
            lines.append(f"~ {path}: {', '.join(parts)}")
    return lines


def assert_same(before: Snapshot, after: Snapshot, ignore: Sequence[str] = ()) -> None:
    """Raises with all differences, if there are any."""
    lines = differences(before, after, ignore)
    if lines:
        raise RequestedAssertionFailed(f"{len(lines)} paths differ\n" + "\n".join(lines))


def _describe(entry: Entry | None) -> str:
    return ", ".join(f"{key} {_short(value)}" for key, value in (entry or {}).items() if value)


def _short(value: object) -> str:
    text = "none" if value is None else str(value)
    return f"{text[:12]}..." if len(text) == 64 else text
