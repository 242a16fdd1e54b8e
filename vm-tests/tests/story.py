"""A host's life, for any machine: nothing is installed on it, configurations are pushed, power fails, all goes away."""

from __future__ import annotations

from pathlib import Path

from api.systemd_api import SystemdMachine
from judges.snapshot import ACCOUNT_BACKUPS, Snapshot, assert_same, take_snapshot
from judges.verdict import judge, verdict
from program.host import Host

_UNITS = ("sm-web.service", "sm-daemon.service", "sm-job.timer")

CONFIGURATION = """
{ pkgs, ... }: {
  environment.etc."sm/version".text = "VERSION\\n";
  environment.etc."sm/secret" = { text = "VERSION\\n"; mode = "0640"; group = "sm-web"; };
  environment.etc."sm/only-VERSION".text = "here\\n";
  environment.etc."sm-foreign" = { text = "ours\\n"; mode = "0644"; replaceExisting = true; };
  users.users.sm-web = { isSystemUser = true; group = "sm-web"; };
  users.groups.sm-web = { };
  systemd.tmpfiles.rules = [ "d /var/lib/sm-www 0750 sm-web sm-web -" "f /var/lib/sm-www/index - - - - page" ];
  systemd.services.sm-web = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig = {
      ExecStart = "/usr/bin/python3 -m http.server --directory /var/lib/sm-www 8080";
      User = "sm-web";
    };
  };
  systemd.services.sm-daemon = {
    description = "Daemon of VERSION";
    wantedBy = [ "multi-user.target" ];
    serviceConfig.ExecStart = "/bin/sleep infinity";
  };
  systemd.services.sm-job = { startAt = "hourly"; script = "true"; };
}
"""


def _require(host: Host, version: str) -> None:
    """Asserts that all of a generation is there, and nothing of another."""
    machine = host.machine
    machine.wait_for_unit("multi-user.target")
    for unit in _UNITS:
        machine.wait_for_unit(unit)
    assert machine.succeed("cat /etc/sm/version /etc/sm-foreign") == f"{version}\nours\n"
    assert machine.succeed("ls /etc/sm") == f"only-{version}\nsecret\nversion\n"
    modes = machine.succeed("stat -c '%a %U:%G' /etc/sm/secret /var/lib/sm-www")
    assert modes == "640 root:sm-web\n750 sm-web:sm-web\n"
    assert machine.get_unit_property("sm-daemon.service", "Description") == f"Daemon of {version}"
    machine.wait_for_open_port(8080)
    assert "index" in machine.succeed("curl -fsS http://localhost:8080/")
    assert "No changes" in host.run("activate")


def _cut_power(machine: SystemdMachine) -> None:
    machine.crash()
    machine.start()


def _require_as_before(machine: SystemdMachine, before: Snapshot) -> None:
    assert_same(before, take_snapshot(machine), ignore=ACCOUNT_BACKUPS)
    machine.fail("getent passwd sm-web", "getent group sm-web", "systemctl cat sm-daemon.service")


def live_through(machine: SystemdMachine, folder: Path) -> None:
    """Puts a machine through it: push, switch, reboot, power cuts, deactivate. Raises where it is not as it should."""
    host = Host(machine, folder)
    machine.wait_for_unit("multi-user.target")
    machine.fail("command -v nix")
    machine.succeed("echo theirs >/etc/sm-foreign; chmod 600 /etc/sm-foreign; chown daemon:adm /etc/sm-foreign")
    before, baseline = take_snapshot(machine), judge(machine, complete=True)
    one, two = (host.bring(CONFIGURATION.replace("VERSION", version)) for version in ("one", "two"))
    # What was brought in is not what this is about: a copy that is cut short is copied again.
    machine.succeed("sync")

    host.run("register", one)
    host.run("activate")
    _cut_power(machine)
    _require(host, "one")
    machine.reboot()
    _require(host, "one")
    verdict(machine, baseline, _UNITS)

    # The power fails while it switches: whatever is there then, the next run brings it to its end.
    host.run("register", two)
    machine.execute("system-manager activate", check_output=False)
    machine.wait_for_file("/etc/sm/only-two")
    _cut_power(machine)
    machine.wait_for_unit("multi-user.target")
    host.run("activate")
    _require(host, "two")
    verdict(machine, baseline, _UNITS, complete=True)

    host.run("deactivate")
    _require_as_before(machine, before)
    _cut_power(machine)
    machine.wait_for_unit("multi-user.target")
    _require_as_before(machine, before)
    verdict(machine, baseline, complete=True)
