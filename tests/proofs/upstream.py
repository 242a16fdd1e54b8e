"""What numtide/system-manager leaves on a host that it manages: links and copies, a mask, files put aside, a record."""

from __future__ import annotations

import json
from pathlib import Path

from world import World

_SOURCES = "/nix/store/aaa-sources"
_COPIES = ("changed", "edited")


def manage(world: World) -> None:
    """Has it manage the host, with files that ours wants, that ours does not want, and that someone has edited."""
    root = world.root
    etc = root / "etc"
    for name, text in {**dict.fromkeys(_COPIES, "its\n"), "linked": "its\n", "unit": "[Service]\n# its\n"}.items():
        _write(root / _SOURCES[1:] / name, text)
    for aside in ("replaced", "carried"):
        (etc / aside).rename(etc / f"{aside}.system-manager-backup")
    links = ("replaced", "carried", "goes/away", "deep/down/linked", "systemd/system/a.service")
    for name in links:
        path = etc / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(f"{_SOURCES}/{'unit' if name.endswith('service') else 'linked'}")
    _write(etc / "changed", "its\n")
    _write(etc / "edited", "by hand\n")
    (etc / "systemd/system/b.service").symlink_to("/dev/null")
    copies = {name: {"source": _SOURCES, "target": name, "mode": "0644", "uid": 0} for name in _COPIES}
    _write(root / "nix/store/top/etcFiles/etcFiles.json", json.dumps({"entries": copies, "staticEnv": "/nix/store/x"}))
    current = root / "nix/var/nix/gcroots/system-manager-current"
    current.parent.mkdir(parents=True)
    current.symlink_to("/nix/store/top")
    files = [f"/etc/{name}" for name in (*links[2:], *_COPIES)]
    record = {
        "fileTree": {"files": files, "backedUpFiles": ["/etc/replaced", "/etc/carried"]},
        "services": {"a.service": {"storePath": "/nix/store/x"}, "b.service": {"masked": True}},
        "version": 1,
    }
    _write(root / "var/lib/system-manager/state/system-manager-state.json", json.dumps(record))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
