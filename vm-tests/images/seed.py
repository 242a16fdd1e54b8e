"""The seed that brings the agent into a stock image: cloud-init's NoCloud data on a small disk."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from base import agent
from base.errors import MachineError
from base.process import run

AGENT_PATH = "/usr/lib/machine-agent"
"""Where the agent is in a machine."""

AGENT_UNIT = f"""\
[Unit]
Description=Agent of the test driver
DefaultDependencies=no
After=systemd-tmpfiles-setup.service local-fs.target
Conflicts=shutdown.target
Before=shutdown.target

[Service]
ExecStart=/usr/bin/python3 -S -E {AGENT_PATH} @PORT@
Restart=always
RestartSec=200ms
KillMode=process
OOMScoreAdjust=-1000
"""
"""The agent's unit, for the serial port that replaces @PORT@."""

AGENT_SOURCE = Path(agent.__file__)

_LIMIT = 60.0
_UNITS = "/usr/lib/systemd/system"

# Runs early in each boot, before cloud-init has done its work; only the first time does anything. On a file system that
# is labelled, files get the labels of programs and units. Nothing is left in /etc.
_INSTALL = f"""\
[ -e {AGENT_PATH} ] && exit 0
seed=$(mktemp -d) && mount -o ro LABEL=cidata "$seed" || exit 1
cp "$seed/agent" {AGENT_PATH} && cp "$seed/unit" {_UNITS}/machine-agent.service
mkdir -p {_UNITS}/basic.target.wants
ln -sf ../machine-agent.service {_UNITS}/basic.target.wants/machine-agent.service
umount "$seed"; rmdir "$seed"
command -v restorecon >/dev/null && restorecon {AGENT_PATH} {_UNITS}/machine-agent.service
systemctl daemon-reload && systemctl start --no-block machine-agent.service
"""


def seed_recipe() -> str:
    """Returns what a seed is made from. Reads the agent's source."""
    return f"{_INSTALL} {AGENT_UNIT} {AGENT_SOURCE.read_text()}"


def make_seed(target: Path, hostname: str, port: str) -> None:
    """Writes the seed as an ISO image."""
    user_data = {
        "ssh_pwauth": False,
        "package_update": False,
        "package_upgrade": False,
        "bootcmd": [["sh", "-c", _INSTALL]],
    }
    files = {
        # JSON is YAML.
        "user-data": f"#cloud-config\n{json.dumps(user_data)}\n",
        "meta-data": json.dumps({"instance-id": f"{hostname}-1", "local-hostname": hostname}),
        "agent": AGENT_SOURCE.read_text(),
        "unit": AGENT_UNIT.replace("@PORT@", port),
    }
    with tempfile.TemporaryDirectory(prefix="machine-seed-") as work:
        for name, text in files.items():
            (Path(work) / name).write_text(text)
        options = ["-quiet", "-volid", "cidata", "-joliet", "-rock", "-output", str(target)]
        done = run(["genisoimage", *options, *(str(Path(work) / name) for name in files)], _LIMIT)
    if done.status != 0:
        raise MachineError(f"writing the seed: {done.errors}")
