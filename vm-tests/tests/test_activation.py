"""The main job on a real systemd: switch, switch again, roll back, reboot, deactivate; and /etc is as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from judges.snapshot import assert_same, take_snapshot
from judges.verdict import judge, verdict
from program.host import PROJECT, Host

EVERYTHING = """
{ pkgs, ... }: {
  environment.etc."sm/plain".text = "one\\n";
  environment.etc."sm/secret" = { text = "hidden\\n"; mode = "0600"; };
  environment.etc."sm/setuid" = { text = "#!/bin/sh\\n"; mode = "4755"; };
  environment.etc."sm-foreign" = { text = "ours\\n"; mode = "0644"; replaceExisting = true; };
  systemd.tmpfiles.rules = [ "d /var/lib/sm-made 0750 root root -" ];
  systemd.services.sm-daemon = {
    wantedBy = [ "multi-user.target" ];
    aliases = [ "sm-other.service" ];
    serviceConfig = {
      ExecStart = "/bin/sleep infinity";
      ExecStop = "/bin/sh -c 'echo VERSION stopped >> /var/lib/sm-stops'";
    };
  };
  systemd.services.sm-job = {
    startAt = "hourly";
    script = "echo ran >> /var/lib/sm-job";
  };
  systemd.services.sm-echo = {
    serviceConfig.ExecStart = "/bin/cat";
    serviceConfig.StandardInput = "socket";
  };
  systemd.sockets.sm-echo = {
    wantedBy = [ "sockets.target" ];
    listenStreams = [ "/run/sm-echo.sock" ];
  };
  systemd.paths.sm-watch = {
    wantedBy = [ "paths.target" ];
    pathConfig.PathExists = "/run/sm-trigger";
    pathConfig.Unit = "sm-job.service";
  };
  systemd.targets.sm-group = { wantedBy = [ "multi-user.target" ]; };
  systemd.slices.sm = { wantedBy = [ "multi-user.target" ]; };
  systemd.mounts = [ {
    what = "tmpfs"; where = "/var/sm-mount"; type = "tmpfs"; wantedBy = [ "local-fs.target" ];
  } ];
  systemd.maskedUnits = [ "sm-masked.service" ];
}
"""

FIRST = EVERYTHING.replace("VERSION", "first")
SECOND = (
    EVERYTHING.replace("VERSION", "second")
    .replace('"one\\n"', '"two\\n"')
    .replace('environment.etc."sm/secret" = { text = "hidden\\n"; mode = "0600"; };', "")
)


@pytest.fixture
def host(machine: SystemdMachine, tmp_path: Path) -> Host:
    """A machine with the program in it."""
    return Host(machine, tmp_path)


def test_every_kind_of_unit_through_two_generations_a_rollback_a_reboot_and_away(host: Host) -> None:
    machine = host.machine
    machine.succeed("echo theirs >/etc/sm-foreign; chmod 640 /etc/sm-foreign; chown daemon:adm /etc/sm-foreign")
    machine.succeed("setfattr -n user.note -v kept /etc/sm-foreign")
    before, baseline = take_snapshot(machine), judge(machine)
    first, second = host.bring(FIRST), host.bring(SECOND)

    host.run("register", first)
    host.run("activate")
    machine.require_unit_state("sm-daemon.service")
    for unit in ("sm-job.timer", "sm-echo.socket", "sm-watch.path", "sm-group.target", "sm.slice"):
        machine.require_unit_state(unit)
    machine.require_unit_state("var-sm\\x2dmount.mount")
    assert machine.succeed("systemctl is-enabled sm-masked.service || true") == "masked\n"
    assert machine.succeed("systemctl show -P Id sm-other.service") == "sm-daemon.service\n"
    assert machine.succeed("stat -c '%a %U:%G' /var/lib/sm-made") == "750 root:root\n"
    assert machine.succeed("stat -c %a /etc/sm/secret /etc/sm/setuid") == "600\n4755\n"
    assert machine.succeed("cat /etc/sm-foreign") == "ours\n"
    machine.fail("test -e /var/lib/sm-job")
    pid = host.pid("sm-daemon.service")

    assert "No changes" in host.run("activate")
    assert host.pid("sm-daemon.service") == pid

    host.run("register", second)
    host.run("activate")
    assert machine.succeed("cat /etc/sm/plain") == "two\n"
    machine.fail("test -e /etc/sm/secret")
    assert host.pid("sm-daemon.service") != pid
    # The stop ran under the old definition.
    assert machine.succeed("cat /var/lib/sm-stops") == "first stopped\n"

    host.run("rollback")
    assert machine.succeed("cat /etc/sm/plain") == "one\n"
    assert machine.succeed("cat /var/lib/sm-stops") == "first stopped\nsecond stopped\n"

    machine.reboot()
    machine.wait_for_unit("multi-user.target")
    for unit in ("sm-daemon.service", "sm-job.timer", "sm-echo.socket", "sm-watch.path", "sm-group.target"):
        machine.wait_for_unit(unit)
    assert "No changes" in host.run("activate")
    verdict(machine, baseline, ["sm-daemon.service", "sm-job.timer", "sm-echo.socket", "sm-watch.path"])

    host.run("deactivate")
    assert "inactive" in machine.execute("systemctl is-active sm-daemon.service")[1]
    assert machine.succeed("tail -n 1 /var/lib/sm-stops") == "first stopped\n"
    assert machine.succeed("systemctl show -P LoadState sm-masked.service") == "not-found\n"
    assert_same(before, take_snapshot(machine))
    verdict(machine, baseline)


def test_the_web_server_example_serves_its_page(host: Host) -> None:
    machine = host.machine
    before = take_snapshot(machine)
    toplevel = host.bring(PROJECT / "examples/nginx.nix")
    plan = host.run("plan", toplevel)
    assert "start   web.service" in plan
    host.run("activate", toplevel)
    machine.wait_for_open_port(8080)
    assert "It works" in machine.succeed("curl -fsS http://localhost:8080/")
    host.run("deactivate")
    machine.wait_for_closed_port(8080)
    assert_same(before, take_snapshot(machine))


def test_long_work_shows_progress_on_a_terminal_and_none_in_a_pipe(host: Host) -> None:
    toplevel = host.bring(
        '{ ... }: { systemd.services.sm-slow = { wantedBy = [ "multi-user.target" ]; serviceConfig.Type = "oneshot";'
        ' serviceConfig.RemainAfterExit = true; serviceConfig.ExecStart = "/bin/sleep 3"; }; }'
    )
    shown = host.machine.succeed(f"script --quiet --return --command 'system-manager activate {toplevel}' /dev/null")
    assert "starting sm-slow.service, 2 s" in shown
    host.run("deactivate")
    assert ", 2 s" not in host.run("activate", toplevel)


def test_a_switch_while_the_host_boots_starts_what_is_new(host: Host) -> None:
    machine = host.machine
    unit = """
    [Unit]
    Before=multi-user.target
    [Service]
    Type=oneshot
    ExecStart=/bin/sh -c 'read line </run/go'
    ExecStartPre=/usr/bin/mkfifo /run/go
    """
    machine.succeed(f"cat >/etc/systemd/system/slow-boot.service <<'END'\n{unit}\nEND")
    machine.succeed("systemctl enable slow-boot.service 2>&1 || true")
    machine.succeed("mkdir -p /etc/systemd/system/multi-user.target.wants")
    machine.succeed("ln -sf ../slow-boot.service /etc/systemd/system/multi-user.target.wants/")
    toplevel = host.bring(
        '{ ... }: { systemd.services.sm-early = { wantedBy = [ "multi-user.target" ];'
        ' serviceConfig.ExecStart = "/bin/sleep infinity"; }; }'
    )
    machine.reboot()
    machine.wait_for_file("/run/go")
    assert "inactive" in machine.execute("systemctl is-active multi-user.target")[1]
    host.run("activate", toplevel)
    machine.require_unit_state("sm-early.service")
    machine.succeed("echo go >/run/go")
    machine.wait_for_unit("multi-user.target")
