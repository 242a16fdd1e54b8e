"""Secrets that travel beside a configuration: from another machine, and from this one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from api.systemd_api import SystemdMachine
from kinds.container import Container
from program.deployer import Deployer
from program.host import Host, build
from test_remote import wait_for

WANTED = """
  {
    system-manager.secrets = {
      web = { file = "%s"; owner = "www-data"; group = "adm"; mode = "0440"; restartUnits = [ "reader.service" ]; };
      token.command = "printf %%s-token %s";
      password = { command = "printf '$6$salt$%%086d' 0"; neededForUsers = true; };
    };
    users.users.alice = { isNormalUser = true; hashedPasswordFile = "/run/system-manager/secrets/password"; };
    systemd.services.reader = {
      wantedBy = [ "multi-user.target" ];
      serviceConfig.LoadCredential = "web:/run/system-manager/secrets/web";
      script = "/usr/bin/cat $CREDENTIALS_DIRECTORY/web >/run/seen; exec /usr/bin/sleep infinity";
    };
  }
"""
FOLDER = "/run/system-manager/secrets"


def source(folder: Path, text: str) -> list[str]:
    """Writes a configuration and returns the options that name it."""
    file = folder / "system.nix"
    file.write_text(text)
    return ["--nixpkgs", "embedded", "--file", str(file)]


def require_seen(target: Container, value: str) -> None:
    """Requires that the service has read a value."""
    wait_for(target, f"grep -q {value} /run/seen")


def test_secrets_reach_services_and_accounts_and_nothing_else(
    make_targets: Callable[..., tuple[Deployer, list[Container]]], tmp_path: Path
) -> None:
    deployer, [target] = make_targets("target")
    value = tmp_path / "value"
    value.write_text("fi" + "rst-value")
    text = WANTED % (value, "fir''st")
    toplevel = build(_written(tmp_path, text), tmp_path)
    output = deployer.on(target, "plan", toplevel)
    output += deployer.on(target, "-vv", "switch", toplevel)
    require_seen(target, "first-value")
    listed = target.succeed(f"cd {FOLDER}; stat -c '%n %a %U:%G' .; stat -c '%n %a %U:%G' *")
    assert listed.splitlines() == [
        ". 751 root:root",
        "password 400 root:root",
        "token 400 root:root",
        "web 440 www-data:adm",
    ], listed
    assert target.succeed("getent shadow alice").split(":")[1].startswith("$6$salt$000")
    # It is nowhere else: not here, not there.
    assert "first-value" not in output
    target.fail("grep -r first-[v]alue /nix /var/lib /run/systemd/system /etc", "journalctl -q | grep first-[v]alue")
    assert target.succeed("ls /var/lib/system-manager/secrets/values | grep -c cred").strip() == "3"
    assert target.succeed("stat -c %a /var/lib/system-manager/secrets").strip() == "700"

    # What has not changed restarts nothing, and a new value of the same configuration does.
    pid = target.get_unit_property("reader.service", "MainPID")
    deployer.on(target, "switch", toplevel)
    assert target.get_unit_property("reader.service", "MainPID") == pid
    value.write_text("second-value")
    deployer.on(target, "switch", toplevel)
    require_seen(target, "second-value")
    # It is there after a boot, without the deployer and before units.
    target.reboot()
    require_seen(target, "second-value")
    target.succeed("systemctl start ssh.service")
    target.wait_for_open_port(22)

    # Who goes back finds what was there before, also where that is another value.
    value.write_text("third-value")
    unwell = '; system-manager.healthChecks.none = { script = "false"; retries = 0; }; }'
    deployer.on(target, "switch", *source(tmp_path, text.rstrip()[:-1].rstrip().rstrip(";") + unwell), expect=5)
    require_seen(target, "second-value")
    assert target.succeed(f"cat {FOLDER}/web") == "second-value"

    # One that can't be read is told before anything is done.
    value.unlink()
    said = deployer.on(target, "switch", toplevel, expect=1)
    assert "reading the secret web" in said and str(value) in said, said

    deployer.on(target, "deactivate")
    target.fail(f"test -e {FOLDER}", "test -e /var/lib/system-manager/secrets")


def _written(folder: Path, text: str) -> Path:
    file = folder / "system.nix"
    file.write_text(text)
    return file


def test_a_switch_of_this_machine_reads_its_secrets_here(machine: SystemdMachine, tmp_path: Path) -> None:
    host = Host(machine, tmp_path)
    toplevel = host.bring(WANTED % ("/root/value", "token"))
    said = host.run("switch", toplevel, expect=1)
    assert "reading the secret web: reading /root/value" in said, said
    host.machine.fail("test -e /var/lib/system-manager/secrets")
    host.machine.succeed("echo here >/root/value")
    host.run("switch", toplevel)
    host.machine.wait_until_succeeds("grep -q here /run/seen")
    host.machine.succeed("rm /root/value")
    # To activate needs no secret but those that are kept.
    host.run("activate", toplevel)
    host.run("deactivate")
    said = host.run("activate", toplevel, expect=4)
    assert "the secret token is not on this host" in said, said
    host.run("deactivate")
    host.machine.succeed("systemctl reset-failed")
