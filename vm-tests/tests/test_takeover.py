"""A host that numtide/system-manager manages is taken over: services run on, and what was before it comes back."""

from __future__ import annotations

import json
from pathlib import Path

from api.systemd_api import SystemdMachine
from judges.snapshot import assert_same, take_snapshot
from program.host import Host

STATE = "/var/lib/system-manager/state"
WANTS = "/etc/systemd/system/multi-user.target.wants"
SHOW = "systemctl show --property UnitFileState,ActiveState,LoadState nginx.service"
SERVICE = """
    systemd.services.app = {
      wantedBy = [ "multi-user.target" ];
      serviceConfig.ExecStart = "/bin/sleep infinity";
    };
"""


def manage_as_upstream(host: Host, toplevel: str) -> None:
    """Leaves the host as that program does: a service that runs, one that goes, a mask, a file put aside."""
    machine = host.machine
    unit = machine.succeed(f"readlink -f {toplevel}/etc/systemd/system/app.service").strip()
    machine.succeed(
        # The same text under another name, as another program's build has it.
        "mkdir -p /nix/store/aaa-units /nix/store/aaa-top/etcFiles /nix/var/nix/gcroots",
        f"cp {unit} /nix/store/aaa-units/app.service",
        "printf '[Service]\\nExecStart=/bin/sleep infinity\\n' >/nix/store/aaa-units/old.service",
        "echo managed >/nix/store/aaa-units/motd",
        "echo '{\"entries\": {}}' >/nix/store/aaa-top/etcFiles/etcFiles.json",
        "mv /etc/motd /etc/motd.system-manager-backup",
        "ln -s /nix/store/aaa-units/motd /etc/motd",
        "ln -s /nix/store/aaa-units/app.service /nix/store/aaa-units/old.service /etc/systemd/system/",
        f"mkdir -p {WANTS}",
        f"cd /nix/store/aaa-units && ln -s $PWD/app.service $PWD/old.service {WANTS}/",
        "ln -s /nix/store/aaa-top /nix/var/nix/gcroots/system-manager-current",
        "systemctl mask --now nginx.service",
        "systemctl daemon-reload",
        "systemctl start app.service old.service",
        f"mkdir -p {STATE}",
    )
    record = {
        "fileTree": {
            "files": [
                "/etc/systemd/system/app.service",
                "/etc/systemd/system/old.service",
                f"{WANTS}/app.service",
                f"{WANTS}/old.service",
            ],
            "backedUpFiles": ["/etc/motd"],
        },
        "services": {
            "app.service": {"storePath": "/nix/store/aaa-units/app.service"},
            "old.service": {"storePath": "/nix/store/aaa-units/old.service"},
            "nginx.service": {"masked": True},
        },
        "version": 1,
    }
    machine.succeed(f"cat >{STATE}/system-manager-state.json <<'END'\n{json.dumps(record)}\nEND")


def test_a_host_of_upstream_is_taken_over_and_its_services_run_on(machine: SystemdMachine, tmp_path: Path) -> None:
    host = Host(machine, tmp_path)
    before = take_snapshot(machine)
    nginx = machine.succeed(SHOW)
    toplevel = host.bring("{" + SERVICE + "}")
    manage_as_upstream(host, toplevel)
    pid = host.pid("app.service")
    assert pid > 0

    assert "numtide/system-manager manages this host" in host.run("status")
    plan = host.run("plan", toplevel)
    assert "Taken over from numtide/system-manager" in plan
    assert "stop    old.service" in plan, plan
    host.run("register", toplevel)
    host.run("activate")

    assert host.pid("app.service") == pid, "a service with the same unit was restarted"
    machine.fail("systemctl is-active old.service", f"test -e {STATE}/system-manager-state.json")
    assert machine.succeed(SHOW) == nginx
    machine.succeed("test ! -e /etc/motd.system-manager-backup")
    assert "No changes" in host.run("plan", toplevel)

    host.run("deactivate")
    machine.fail("systemctl is-active app.service")
    # Its record has no folders, so those that it has made stay.
    machine.succeed(f"rmdir {WANTS}")
    assert_same(before, take_snapshot(machine))


SW = "/run/system-manager/sw/bin"


def manage_accounts_as_upstream(machine: SystemdMachine) -> None:
    """Leaves accounts as its userborn does: with shells of its packages, one of them locked."""
    remembered = json.dumps({"users": [{"name": "root"}, {"name": "alice"}], "groups": []})
    machine.succeed(
        "mkdir -p /nix/store/aaa-sw/bin /run/system-manager /var/lib/userborn",
        "ln -s /bin/bash /nix/store/aaa-sw/bin/bash",
        "ln -s /bin/dash /nix/store/aaa-sw/bin/xonsh",
        "ln -s /usr/sbin/nologin /nix/store/aaa-sw/bin/nologin",
        "ln -s /nix/store/aaa-sw /run/system-manager/sw",
        f"useradd --create-home --shell {SW}/bash alice",
        f"useradd --create-home --shell {SW}/bash carol",
        f"useradd --system --shell {SW}/nologin svc",
        "echo 'alice:alice' | chpasswd",
        "usermod --password '!*' carol",
        f"usermod --shell {SW}/bash root",
        f"echo '{remembered}' >/nix/store/aaa-userborn.json",
        "ln -s /nix/store/aaa-userborn.json /var/lib/userborn/previous-userborn.json",
    )


def test_accounts_of_upstream_log_in_with_the_distribution_s_shells_ever_after(
    machine: SystemdMachine, tmp_path: Path
) -> None:
    host = Host(machine, tmp_path)
    toplevel = host.bring("{" + SERVICE + "}")
    manage_as_upstream(host, toplevel)
    manage_accounts_as_upstream(machine)
    expected = machine.succeed("cat /etc/passwd").replace(f"{SW}/bash", "/bin/bash")
    expected = expected.replace(f"{SW}/nologin", "/usr/sbin/nologin")
    shadow = machine.succeed("cat /etc/shadow")

    plan = host.run("plan", toplevel)
    for text in (
        f'~ user root: shell "{SW}/bash" -> "/bin/bash"',
        "its userborn has created (alice, root) stay as they are",
        "stay locked (carol): `passwd carol`",
    ):
        assert text in plan, plan
    host.run("register", toplevel)
    host.run("activate")
    for deactivates in (False, True):
        if deactivates:
            host.run("deactivate")
        assert machine.succeed("cat /etc/passwd") == expected
        assert machine.succeed("cat /etc/shadow") == shadow
        for who in ("root", "alice"):
            assert machine.succeed(f"su - {who} -c 'echo $0'") == "-bash\n"


def test_a_login_shell_of_upstream_does_not_vanish(machine: SystemdMachine, tmp_path: Path) -> None:
    host = Host(machine, tmp_path)
    toplevel = host.bring("{" + SERVICE + "}")
    manage_as_upstream(host, toplevel)
    manage_accounts_as_upstream(machine)
    # The distribution has none of this name.
    machine.succeed(f"echo {SW}/xonsh >>/etc/shells", f"usermod --shell {SW}/xonsh root")
    snapshot = take_snapshot(machine)
    host.run("register", toplevel)
    refused = host.run("activate", expect=1)
    assert f"this switch removes its shell {SW}/xonsh" in refused and "chsh -s" in refused, refused
    assert_same(snapshot, take_snapshot(machine))
