"""A host on a root of its own, the configurations that it is switched to, and what must be true of it afterwards."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import inject
from inject import Injection

PROJECT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("SYSTEM_MANAGER") or str(
    Path(os.environ.get("CARGO_TARGET_DIR", PROJECT / "target")) / "debug/system-manager"
)
LIMIT = 300.0
"""Seconds after which a run hangs: each takes a fraction of one, and the machine may be busy."""

_OLD = 1_000_000_000
"""When the files of the distribution were last changed, in seconds: what is given back has this time again."""
_STATE = "var/lib/system-manager"
_UNCOMPARED = tuple(f"{_STATE}/{name}" for name in ("state.json", "ids.json", "history.json", "lock"))
_ACCOUNT_BACKUPS = {f"etc/{name}-" for name in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid")}
"""What every change of an account leaves, whoever makes it: the file as it was before."""

FOREIGN = ("replaced", "given-back", "carried", "taken", "theirs/inside", "theirs/deep/down", "tmp-rule", "hostname")
"""Files of the distribution that configurations come near; each has a text of its own, which must never be lost."""


@dataclass
class Config:
    """What a configuration wants, in the words of the manifest."""

    name: str
    copies: dict[str, tuple[str, str, str, bool]] = field(default_factory=dict)
    """By target: the text, mode (or `symlink`), owner, and whether it may replace a foreign file."""
    blocks: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    tmpfiles: str = ""
    users: tuple[str, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)


def configurations() -> dict[str, Config]:
    """Returns two generations with something of everything, and a third one to go another way."""
    root = "root"
    one = {
        "same": ("same\n", "0644", root, False),
        "changed": ("old\n", "0644", root, False),
        "goes/away": ("old\n", "symlink", root, False),
        "given-back": ("ours\n", "0644", root, True),
        "carried": ("ours\n", "0644", root, True),
        "folder/inside": ("old\n", "symlink", root, False),
        "theirs/deep/new": ("old\n", "0644", root, False),
        "secret": ("secret-of-one\n", "0600", root, False),
    }
    two = {
        "same": ("same\n", "0644", root, False),
        "changed": ("new\n", "4755", "web", False),
        "added/here/deep": ("new\n", "symlink", root, False),
        "replaced": ("ours\n", "0644", root, True),
        "carried": ("new\n", "0640", "web", True),
        "folder": ("new\n", "0600", root, False),
        "theirs/inside": ("ours\n", "symlink", root, True),
        "secret": ("secret-of-two\n", "0600", root, False),
    }
    three = {"carried": ("third\n", "symlink", root, True), "third": ("third\n", "0644", root, False)}
    unit = "[Service]\nExecStart=/bin/true\n# {}\n"
    return {
        "one": Config(
            "one",
            one,
            {"hosts": "old\n", "lines-go": "old\n"},
            {"a.service": unit.format("one"), "gone.service": unit.format("one")},
            "d /var/lib/one 0750 web web\nf+ /etc/tmp-made 0644 root root - one\n",
            ("alice", "daemon-one"),
            {"basics": {"timeZone": "Etc/UTC", "locale": {"LANG": "C.UTF-8"}}},
        ),
        "two": Config(
            "two",
            two,
            {"hosts": "new\n", "lines-new": "new\n"},
            {"a.service": unit.format("two"), "b.service": unit.format("two")},
            "d /var/lib/one 0700 web web\nd /var/lib/two 0755 root root\nL /etc/tmp-link - - - - hosts\n",
            ("alice", "daemon-two"),
            {"basics": {"hostName": "two", "timeZone": "Europe/Rome"}},
        ),
        "three": Config("three", three),
    }


@dataclass(frozen=True)
class Standing:
    """What stands at a path."""

    what: str
    old: int | None
    """The time of the last change of the content, where that was long before the test."""


Tree = Mapping[str, Standing]
Records = Mapping[str, str]


@dataclass(frozen=True)
class Ran:
    """How a run of the program ended."""

    code: int
    """Its exit code; negative: the signal that ended it."""
    out: str
    err: str

    @property
    def said(self) -> str:
        """Both streams."""
        return self.out + self.err


class Failed(Exception):
    """Something that had to be true is not."""

    def __init__(self, message: str, details: Sequence[str] = ()) -> None:
        """Has each thing that is wrong apart."""
        super().__init__("\n  ".join([message, *details[:8]]))
        self.details = list(details) or [message]

    def within(self, before: str, after: str) -> Failed:
        """Returns the same with more about where it was found."""
        failed = Failed(f"{before}{self}{after}")
        failed.details = self.details
        return failed


class World:
    """A place for one worker: a root that is reset again and again, and toplevels beside it."""

    def __init__(self, folder: Path, shared: Path) -> None:
        """Makes an empty place; `folder` is this worker's own, `shared` has what is the same for all of them."""
        self.folder = folder
        self.shared = shared
        self.root = folder / "root"
        self._stands_at: str | None = None
        folder.mkdir(exist_ok=True)
        self.toplevels = {name: shared / f"toplevel-{name}" for name in configurations()}
        for config in configurations().values():
            self.build(config)

    def build(self, config: Config) -> Path:
        """Writes the toplevel of a configuration, with its sources."""
        toplevel = self.shared / f"toplevel-{config.name}"
        sources = toplevel / "sources"
        sources.mkdir(parents=True, exist_ok=True)

        def source(name: str, text: str) -> str:
            path = sources / name.replace("/", "-")
            path.write_text(text)
            return str(path)

        manifest = {
            "version": 1,
            "madeFrom": {"name": config.name, "system": "x86_64-linux", "systemManager": "0", "nixpkgs": None},
            "etc": {
                target: {
                    "source": source(f"etc-{target}", text),
                    "mode": mode,
                    "user": owner,
                    "group": owner,
                    "replaceExisting": replace,
                }
                for target, (text, mode, owner, replace) in config.copies.items()
            },
            "units": {name: _unit(source(f"unit-{name}", text)) for name, text in config.units.items()},
            "unitPackages": [],
            "userUnits": {},
            "userUnitPackages": [],
            "tmpfiles": {"proof.conf": source("tmpfiles", config.tmpfiles)} if config.tmpfiles else {},
            "tmpfilesPackages": [],
            "accounts": {
                "mutableUsers": True,
                "manageLingering": True,
                "allowNoPasswordLogin": False,
                "users": {name: _user(name) for name in config.users},
                "groups": {name: {"gid": None, "members": ["web"]} for name in config.users},
            },
            "packages": {"sw": None, "names": []},
            "environment": {},
            "hostRequirements": [],
            "preActivationChecks": [],
            "activationScripts": [],
            "noEffect": [],
            "blocks": config.blocks,
            **config.more,
        }
        (toplevel / "manifest.json").write_text(json.dumps(manifest))
        return toplevel

    def begin(self) -> None:
        """Makes a host of a distribution, on which nothing is managed."""
        shutil.rmtree(self.root, ignore_errors=True)
        self._stands_at = None
        root = self.root
        for folder in ("etc", "var/lib", "home", "root", "run", "tmp", "usr/bin"):
            (root / folder).mkdir(parents=True)
        files = {
            "passwd": "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/:/bin/sh\ncarol:x:1000:1000::/home/carol:/bin/sh\n",
            "group": "root:x:0:\nshadow:x:42:\nweb:x:34:\ncarol:x:1000:\n",
            "shadow": "root:$6$a$b:19000:0:99999:7:::\nweb:*:19000:0:99999:7:::\ncarol:$6$c$d:19000:0:99999:7:::\n",
            "gshadow": "root:*::\nshadow:*::\nweb:!::\ncarol:!::\n",
            "subuid": "carol:100000:65536\n",
            "subgid": "carol:100000:65536\n",
            "login.defs": "UID_MIN 1000\n",
            "os-release": "ID=debian\n",
            "shells": "/bin/sh\n",
            "hosts": "theirs, without an end",
            "lines-go": "theirs\n",
            "timezone": "Etc/UTC\n",
            **{name: foreign_text(name) for name in FOREIGN},
        }
        for name, text in files.items():
            path = root / "etc" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for name in ("shadow", "gshadow"):
            os.chown(root / "etc" / name, 0, 42)
            (root / "etc" / name).chmod(0o640)
        for zone in ("Etc/UTC", "Europe/Rome"):
            path = root / "usr/share/zoneinfo" / zone
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("a zone")
        os.chown(root / "etc/replaced", 33, 34)
        (root / "etc/replaced").chmod(0o640)
        (root / "etc/theirs").chmod(0o750)
        (root / "etc/theirs/deep").chmod(0o2775)
        os.setxattr(root / "etc/carried", "trusted.proof", b"theirs")
        for name in files:
            os.utime(root / "etc" / name, (_OLD, _OLD + len(name)))

    def edit(self, name: str, text: str) -> None:
        """Edits a file by hand, as most editors do: with another one in its place."""
        path = self.root / "etc" / name
        self._stands_at = None
        path.unlink()
        path.write_text(text)

    def archive(self, name: str) -> None:
        """Keeps the host as it is, by a name."""
        _copy(self.root, self.shared / name)

    def reset(self, name: str) -> None:
        """Brings the host to what it was when it was kept."""
        if self._stands_at != name:
            _copy(self.shared / name, self.root)
            self._stands_at = name

    def still_stands_at(self, name: str) -> None:
        """Says that a run has changed nothing: there is nothing to bring back."""
        self._stands_at = name

    def command(self, *arguments: str) -> list[str]:
        """Returns the program with these arguments, on the host. `@NAME` is a toplevel."""
        words = [str(self.toplevels[word[1:]]) if word.startswith("@") else word for word in arguments]
        return [PROGRAM, "--root", str(self.root), *words]

    def run(
        self, *arguments: str, before: Sequence[str] = (), at: Injection | None = None, limit: float = LIMIT
    ) -> Ran:
        """Runs the program, after the words of `before`, such as a tracer's, with something that happens at a call."""
        argv = [*before, *self.command(*arguments)]
        self._stands_at = None
        if at is None:
            return run(argv, limit)
        ended = inject.run(argv, at, limit)
        if ended is None:
            raise _endless(limit)
        return Ran(ended[0], *(stream.decode(errors="replace") for stream in ended[1:]))

    def succeed(self, *arguments: str) -> Ran:
        """Runs the program, which must succeed."""
        ran = self.run(*arguments)
        require(ran.code == 0, f"`{' '.join(arguments)}` exits with {ran.code}: {ran.said}")
        return ran

    def tree(self, top: str = ".") -> dict[str, Standing]:
        """Reads all of the host, but for what differs from run to run: times, names of backups, the lock's content."""
        base = self.root / top
        return dict(_walk(base))

    def is_done(self) -> bool:
        """Whether no run was interrupted, as far as the program knows."""
        return not (self.root / _STATE / "journal").exists()

    def is_at(self, end: Mapping[str, Standing]) -> bool:
        """Whether the host is where a run ends, but for what that one writes once it has ended: its history."""
        unfinished = re.compile(rf"^{_STATE}/\.system-manager-[0-9a-f]{{16}}$")
        tree = {path: standing for path, standing in self.tree().items() if not unfinished.match(path)}
        return self.is_done() and tree == end

    def digest(self, tree: Tree) -> str:
        """Returns what is the same for hosts that are the same in all but the time. `tree` is the host's."""
        told = re.compile(rb'"(time|sha256|since)":("[^"]*"|\d+)')
        remembered = {
            name: told.sub(b"", path.read_bytes()) for name in _UNCOMPARED[:-1] if (path := self.root / name).exists()
        }
        return hashlib.sha256(repr((sorted(tree.items(), key=str), remembered)).encode()).hexdigest()

    def records(self) -> Records:
        """Returns what the program remembers of each thing, without times and names of backups."""
        path = self.root / _STATE / "state.json"
        state = json.loads(path.read_text()) if path.exists() else {}
        state.pop("sha256", None)  # of all of it
        return {} if _is_empty(state) else dict(_things(_normal(state)))


def foreign_text(name: str) -> str:
    """Returns the text that only this file of the distribution has."""
    return f"text-of-{name.replace('/', '-')}\n"


def _endless(limit: float) -> Failed:
    return Failed(f"it did not end within {limit:g} s")


def run(argv: Sequence[str], limit: float = LIMIT) -> Ran:
    """Runs a command; one that does not end is a failure, and is killed with all that it started."""
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "RUST_BACKTRACE": "0"},
    ) as process:
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.communicate()
            raise _endless(limit) from None
    return Ran(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def require(condition: object, otherwise: str) -> None:
    """Raises unless something is true."""
    if not condition:
        raise Failed(otherwise)


def require_between(tree: Mapping[str, Any], one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Each path must be as it is in one of two trees, and what is in both of them must be there."""
    wrong = []
    for path in sorted(tree.keys() | (one.keys() & other.keys())):
        found, allowed = tree.get(path), [t[path] for t in (one, other) if path in t]
        if len(allowed) < 2:
            allowed.append(None)
        if found not in allowed:
            wrong.append(f"{path}: is {found}, must be {' or '.join(map(str, dict.fromkeys(allowed)))}")
    if wrong:
        raise Failed("the host is not as it must be:", wrong)


def require_nothing_lost(world: World, without: Sequence[str] = ()) -> None:
    """The texts of the distribution's files must be somewhere on the host."""
    texts = b"".join(path.read_bytes() for path in world.root.rglob("*") if path.is_file() and not path.is_symlink())
    lost = [name for name in FOREIGN if name not in without and foreign_text(name).encode() not in texts]
    require(not lost, f"lost: {', '.join(lost)}")


def require_decent(ran: Ran) -> None:
    """A run must have ended by itself, with a code of the help text, and without a panic."""
    require("panicked" not in ran.said, f"it panicked: {ran.said}")
    require(ran.code in (0, 1, 2, 3, 4), f"it ended with {ran.code}: {ran.said}")
    require("secret-of-" not in ran.said, f"it shows a secret: {ran.said}")


@contextmanager
def worlds(count: int) -> Iterator[list[World]]:
    """Gives places for workers, in memory where there is some."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="proofs-", dir=memory if memory.is_dir() else None) as folder:
        yield [World(Path(folder) / str(number), Path(folder)) for number in range(count)]


def _unit(source: str) -> dict[str, Any]:
    return {
        "source": source,
        "overrideStrategy": "asDropinIfExists",
        "aliases": [],
        "wantedBy": ["multi-user.target"],
        "requiredBy": [],
        "upheldBy": [],
    }


def _user(name: str) -> dict[str, Any]:
    return {
        "isSystemUser": name != "alice",
        "extraGroups": ["web"],
        "group": name,
        "home": f"/home/{name}",
        "homeMode": "700",
        "createHome": True,
        "autoSubUidGidRange": name == "alice",
        "subUidRanges": [],
        "subGidRanges": [],
        "hashedPassword": "$6$x$y" if name == "alice" else None,
        "linger": name == "alice",
    }


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["sh", "-euc", 'rm -rf "$2"; cp -a "$1" "$2"', "sh", source, target], check=True)


def _walk(base: Path) -> Iterator[tuple[str, Standing]]:
    copies: Counter[Standing] = Counter()
    for directory, folders, files in os.walk(base):
        for name in [*folders, *files]:
            path = Path(directory) / name
            relative = str(path.relative_to(base))
            if relative.startswith(_UNCOMPARED) or relative in _ACCOUNT_BACKUPS:
                continue
            standing = _standing(path)
            if relative.startswith(f"{_STATE}/backups/"):
                # Their names count up.
                copies[standing] += 1
                relative = f"{_STATE}/backups/ {standing} {copies[standing]}"
            yield relative, standing


def _standing(path: Path) -> Standing:
    st = path.lstat()
    kind = stat.S_IFMT(st.st_mode)
    if kind == stat.S_IFLNK:
        content = f"link to {path.readlink()}"
    elif kind == stat.S_IFREG:
        data = path.read_bytes()
        content = f"file {data!r}" if len(data) < 60 else f"file {hashlib.sha256(data).hexdigest()}"
    elif kind == stat.S_IFDIR:
        content = "folder"
    else:
        content = f"kind {kind:o}"
    attributes = {
        name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)
    }
    what = f"{content} {stat.S_IMODE(st.st_mode):04o} {st.st_uid}:{st.st_gid} {attributes or ''}"
    is_old = kind == stat.S_IFREG and st.st_mtime < _OLD + 1000
    return Standing(what.rstrip(), st.st_mtime_ns if is_old else None)


# Times, the names of backups, and what is made from these.
_VARYING = ("since", "time", "backup", "next", "nextBackup", "checksum", "version")


def _is_empty(value: Any) -> bool:
    """Whether a record says that there is nothing; it is as good as none."""
    if isinstance(value, dict):
        return all(_is_empty(inner) for name, inner in value.items() if name not in _VARYING)
    return not value


def _normal(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _normal(inner, name) for name, inner in sorted(value.items())}
    if isinstance(value, list):
        return [_normal(inner) for inner in value]
    return None if key in _VARYING else value


def _things(value: Any, path: str = "", depth: int = 4) -> Iterator[tuple[str, str]]:
    """Gives each thing that is remembered apart: the entries of maps, and of lists, whose order says nothing."""
    if isinstance(value, dict) and value and depth:
        for name, inner in value.items():
            yield from _things(inner, f"{path}/{name}", depth - 1)
    elif isinstance(value, list) and value:
        for inner, times in Counter(json.dumps(inner) for inner in value).items():
            yield f"{path}: {inner}", str(times)
    else:
        yield path, json.dumps(value)
