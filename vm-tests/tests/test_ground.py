"""What the program stands on is not taken away from it: its own unit, the bus, those who are logged in."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from program.host import Host


@pytest.fixture
def host(machine: SystemdMachine, tmp_path: Path) -> Host:
    """A machine with the program in it."""
    return Host(machine, tmp_path)


OWN = """
{
  systemd.services.sm-upgrade = {
    serviceConfig.Type = "TYPE";
    environment.V = "VERSION";
    script = ''
      read toplevel </run/sm-next
      system-manager activate $toplevel >/run/sm-said.VERSION 2>&1; echo $? >/run/sm-code.VERSION
      AFTER
    '';
  };
  systemd.services.sm-other = {
    wantedBy = [ "multi-user.target" ];
    environment.V = "VERSION";
    serviceConfig.ExecStart = "/bin/sleep infinity";
  };
  systemd.timers.sm-upgrade = { wantedBy = [ "timers.target" ]; timerConfig.OnCalendar = "yearly"; };
}
"""


def own(kind: str, version: str) -> str:
    """Gives a configuration with a service that switches to the next one."""
    after = "exec sleep infinity" if kind == "simple" else ""
    return OWN.replace("TYPE", kind).replace("VERSION", version).replace("AFTER", after)


def version_of(host: Host, unit: str) -> str:
    """Returns the version that the running process of a service was started with."""
    environment = host.machine.succeed(f"tr '\\0' '\\n' </proc/{host.pid(unit)}/environ")
    return dict(line.split("=", 1) for line in environment.splitlines())["V"]


def test_a_timers_service_that_switches_survives_its_own_change(host: Host) -> None:
    machine = host.machine
    host.run("activate", host.bring(own("oneshot", "1")))
    second = host.bring(own("oneshot", "2"))
    machine.succeed(f"echo {second} >/run/sm-next")
    machine.succeed("systemctl start sm-upgrade.service")
    assert machine.succeed("cat /run/sm-code.1") == "0\n", machine.succeed("cat /run/sm-said.1")
    assert version_of(host, "sm-other.service") == "2"
    assert "V=2" in machine.get_unit_property("sm-upgrade.service", "Environment")
    assert "No changes" in host.run("activate", second)

    # Also when it goes.
    machine.succeed(f"echo {host.bring('{ }')} >/run/sm-next")
    machine.succeed("systemctl start sm-upgrade.service")
    assert machine.succeed("cat /run/sm-code.2") == "0\n", machine.succeed("cat /run/sm-said.2")
    machine.require_unit_state("sm-other.service", "inactive")
    machine.fail("systemctl cat sm-upgrade.service")


def test_a_daemon_that_switches_is_restarted_when_the_run_has_ended(host: Host) -> None:
    machine = host.machine
    host.run("activate", host.bring(own("simple", "1")))
    second = host.bring(own("simple", "2"))
    # It waits for somebody who says what to switch to.
    machine.succeed("mkfifo /run/sm-next", "systemctl start sm-upgrade.service", f"echo {second} >/run/sm-next")
    pid = host.pid("sm-upgrade.service")
    machine.wait_until_succeeds("test -e /run/sm-said.1", timeout=60)
    machine.wait_until_succeeds(f"test ! -e /proc/{pid}", timeout=60)
    assert "handled when it has finished: sm-upgrade.service" in machine.succeed("cat /run/sm-said.1")
    machine.wait_until_succeeds(
        "test $(systemctl show -P ActiveState system-manager-finish.service) = inactive", timeout=60
    )
    assert version_of(host, "sm-upgrade.service") == "2"
    assert "left for the next run" not in host.run("status")
    assert "No changes" in host.run("activate", second)


BUS = """
{
  systemd.services.dbus.serviceConfig.Nice = -1;
  systemd.services.systemd-logind.serviceConfig.Nice = -1;
}
"""


def test_the_bus_is_reloaded_and_the_logins_restarted(host: Host) -> None:
    machine = host.machine
    bus, logind = host.pid("dbus.service"), host.pid("systemd-logind.service")
    for toplevel in (host.bring(BUS), host.bring("{ }")):
        host.run("activate", toplevel)
        assert host.pid("dbus.service") == bus
        assert host.pid("systemd-logind.service") not in (0, logind)
        logind = host.pid("systemd-logind.service")
        assert "No changes" in host.run("activate", toplevel)
    machine.succeed("busctl status org.freedesktop.systemd1 >/dev/null")


def test_nothing_starts_a_stopped_unit_before_its_new_definition_is_read(host: Host) -> None:
    machine = host.machine
    # An activation script is where the time between stop and daemon-reload is longest: it tries each way to start them.
    configuration = """
    {
      systemd.services.sm-upheld = daemon;
      systemd.services.sm-holder = { wantedBy = [ "multi-user.target" ]; upholds = [ "sm-upheld.service" ];
        serviceConfig.ExecStart = "/bin/sleep infinity"; };
      systemd.services.sm-named = daemon // {
        serviceConfig = daemon.serviceConfig // { Type = "simple"; BusName = "org.example.Sm"; };
      };
      systemd.services.sm-pulled = daemon;
      systemd.services.sm-job = { wants = [ "sm-pulled.service" ]; serviceConfig.ExecStart = "/bin/true"; };
      systemd.services.sm-timed = daemon;
      systemd.timers.sm-timed = { wantedBy = [ "timers.target" ]; timerConfig.OnCalendar = "*:*:*";
        timerConfig.AccuracySec = "1ms"; };
      systemd.paths.sm-watched = { wantedBy = [ "paths.target" ]; pathConfig.PathExists = "/run/sm-watch"; };
      systemd.services.sm-watched = daemon;
      system-manager.activationScripts.try.text = ''
        systemctl start sm-named.service sm-job.service
        sleep 1.5
        systemctl is-active sm-upheld sm-named sm-pulled sm-timed sm-watched >/run/sm-meanwhile || true
      '';
    }
    """
    daemon = '{ environment.V = "VERSION"; serviceConfig = { ExecStart = "/bin/sleep infinity"; }; }'
    text = "let daemon = DAEMON; in".replace("DAEMON", daemon) + configuration
    text = text.replace("system-manager.activationScripts", "system.activationScripts")
    units = [f"sm-{name}.service" for name in ("upheld", "named", "pulled", "timed", "watched")]
    machine.succeed("touch /run/sm-watch")
    host.run("activate", host.bring(text.replace("VERSION", "1")))
    machine.succeed(f"systemctl start {' '.join(units)}")
    plan = host.json("plan", second := host.bring(text.replace("VERSION", "2")))
    assert plan["units"]["hold"] == ["sm-named.service", "sm-pulled.service", "sm-upheld.service"]
    host.run("activate", second)
    assert machine.succeed("cat /run/sm-meanwhile").split() == ["inactive"] * 5
    for unit in units:
        assert version_of(host, unit) == "2", unit
        assert machine.get_unit_property(unit, "NeedDaemonReload") == "no"
    machine.succeed("systemctl start sm-job.service")
    assert machine.succeed("find /run/systemd/system.control -name '*hold*' 2>/dev/null || true") == ""
    assert "No changes" in host.run("activate", second)


ASKS = """
{
  systemd.services.sm-upgrade = {
    serviceConfig.Type = "simple";
    script = ''
      read toplevel </run/sm-next
      system-manager activate $toplevel >/run/sm-said 2>&1; echo $? >/run/sm-code
      exec sleep infinity
    '';
  };
  environment.etc."sm-version".text = "VERSION";
  system.activationScripts.ask.text = ''
    mkdir -p /run/nixos
    printf '%s\\n' dbus.service systemd-logind.service sm-upgrade.service >>/run/nixos/activation-restart-list
  '';
}
"""


def test_what_scripts_ask_for_takes_nothing_away_from_the_program(host: Host) -> None:
    machine = host.machine
    machine.succeed("mkfifo /run/sm-next")
    host.run("activate", host.bring(ASKS.replace("VERSION", "1")))
    bus, logind, own = (host.pid(f"{unit}.service") for unit in ("dbus", "systemd-logind", "sm-upgrade"))
    machine.succeed(f"echo {host.bring(ASKS.replace('VERSION', '2'))} >/run/sm-next")
    machine.wait_until_succeeds("test -e /run/sm-code", timeout=60)
    assert machine.succeed("cat /run/sm-code") == "0\n", machine.succeed("cat /run/sm-said")
    said = machine.succeed("cat /run/sm-said")
    assert "handled when it has finished: sm-upgrade.service" in said, said
    # The bus was asked to reload, the logins came last.
    assert host.pid("dbus.service") == bus
    assert host.pid("systemd-logind.service") not in (0, logind)
    machine.wait_until_succeeds(f"test ! -e /proc/{own}", timeout=60)
    machine.wait_until_succeeds(
        "test $(systemctl show -P ActiveState system-manager-finish.service) = inactive", timeout=60
    )
    machine.require_unit_state("sm-upgrade.service")
    assert "left for the next run" not in host.run("status")


USERS = """
{
  systemd.user.services.sm-timed = { environment.V = "VERSION"; serviceConfig.ExecStart = "/bin/sleep infinity"; };
  systemd.user.timers.sm-timed = { wantedBy = [ "timers.target" ]; timerConfig.OnCalendar = "*:*:*";
    timerConfig.AccuracySec = "1ms"; };
  systemd.user.services.sm-upheld = { environment.V = "VERSION"; serviceConfig.ExecStart = "/bin/sleep infinity"; };
  systemd.user.services.sm-holder = { wantedBy = [ "default.target" ]; upholds = [ "sm-upheld.service" ];
    serviceConfig.ExecStart = "/bin/sleep infinity"; };
  systemd.user.services.sm-asserts = { wantedBy = [ "default.target" ]; environment.V = "VERSION";
    unitConfig.AssertPathExists = "/tmp/sm-there"; serviceConfig.ExecStart = "/bin/sleep infinity"; };
}
"""


def test_units_of_users_run_their_new_definition_and_failures_are_remembered(host: Host) -> None:
    machine = host.machine
    machine.succeed("useradd --create-home sm-user", "loginctl enable-linger sm-user", "touch /tmp/sm-there")
    uid = machine.succeed("id -u sm-user").strip()
    machine.wait_for_file(f"/run/user/{uid}/bus")
    ask = f"runuser -u sm-user -- env XDG_RUNTIME_DIR=/run/user/{uid} systemctl --user"

    def version(unit: str) -> str:
        pid = machine.succeed(f"{ask} show -P MainPID {unit}").strip()
        environment = machine.succeed(f"tr '\\0' '\\n' </proc/{pid}/environ")
        return dict(line.split("=", 1) for line in environment.splitlines() if "=" in line)["V"]

    host.run("activate", host.bring(USERS.replace("VERSION", "1")))
    units = ("sm-timed.service", "sm-upheld.service", "sm-asserts.service")
    for number in ("2", "3", "4"):
        for unit in units[:2]:
            machine.wait_until_succeeds(f"{ask} is-active {unit}")
        host.run("activate", host.bring(USERS.replace("VERSION", number)))
        for unit in units[:2]:
            machine.wait_until_succeeds(f"{ask} is-active {unit}")
        assert [version(unit) for unit in units] == [number] * 3

    machine.succeed("rm /tmp/sm-there")
    last = host.bring(USERS.replace("VERSION", "5"))
    for _ in range(2):
        host.run("activate", last, expect=4)
        assert "failed: sm-asserts.service of sm-user: its start job failed" in host.run("status")
    assert "start   sm-asserts.service  (the last run failed" in host.run("plan", last)
    machine.succeed("touch /tmp/sm-there")
    host.run("activate", last)
    assert version("sm-asserts.service") == "5"
    assert "failed" not in host.run("status")
    assert "No changes" in host.run("activate", last)
    host.run("deactivate")
    machine.succeed("loginctl disable-linger sm-user")
