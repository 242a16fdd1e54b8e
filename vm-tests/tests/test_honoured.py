"""Options of NixOS that a distribution honours, on a real systemd: they take effect, and go away without a trace."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from images.rootimage import lacks_root, root_of
from judges.snapshot import assert_same, take_snapshot
from program.host import Host

IMAGE = "debian-12-services"
LACKING = lacks_root(IMAGE)

CONFIGURATION = """
{ pkgs, ... }:
let
  probe = pkgs.runCommand "probe" { } "mkdir -p $out/bin; cp $(command -v cat) $out/bin/probe";
in
{
  security.wrappers.probe = { source = "${probe}/bin/probe"; setuid = true; permissions = "u+rx,g+x"; group = "adm"; };
  security.wrappers.theirs.source = "/usr/bin/env";
  security.sudo.extraRules = [ {
    users = [ "daemon" ];
    commands = [ { command = "/usr/bin/id -u"; options = [ "NOPASSWD" ]; } ];
  } ];
  environment.sessionVariables.HONOURED = "yes";
  environment.shellAliases.honoured = "true";
  boot.kernelModules = [ "loop" ];
}
"""


def test_honoured_options_take_effect_and_leave_no_trace(machine: SystemdMachine, tmp_path: Path) -> None:
    host = Host(machine, tmp_path)
    before = take_snapshot(machine)

    host.switch(CONFIGURATION)
    machine.wait_for_unit("system-manager-wrappers.service")
    assert machine.succeed("stat -L -c '%a %U:%G' /run/wrappers/bin/probe").strip() == "4510 root:adm"
    assert machine.succeed("readlink /run/wrappers/bin/theirs").strip() == "/usr/bin/env"
    assert machine.succeed("bash -lc 'echo $HONOURED; command -v theirs'").split() == [
        "yes",
        "/run/wrappers/bin/theirs",
    ]
    assert machine.succeed("cat /etc/modules-load.d/nixos.conf").strip() == "loop"
    # The running system, which is an image as well, need not have sudo.
    if machine.execute("command -v visudo")[0] == 0:
        machine.succeed("visudo --check")
        assert machine.succeed("setpriv --reuid daemon --clear-groups sudo -n /usr/bin/id -u").strip() == "0"
        machine.fail("setpriv --reuid daemon --clear-groups sudo -n /usr/bin/id -g")

    host.switch(CONFIGURATION.replace("setuid = true", "setuid = false"))
    assert machine.succeed("stat -L -c '%a' /run/wrappers/bin/probe").strip() == "510"

    host.run("deactivate")
    machine.fail("test -e /run/wrappers")
    assert_same(before, take_snapshot(machine))


@dataclass(frozen=True)
class Honoured:
    """An option in use: the probe fails without the configuration, and succeeds with it."""

    configuration: str
    probe: str
    prepare: str = "true"
    ignore: tuple[str, ...] = ()


BUS_PACKAGE = """(pkgs.runCommand "probe" { } ''
  mkdir -p $out/share/dbus-1/system.d $out/share/dbus-1/system-services
  cat >$out/share/dbus-1/system.d/probe.conf <<END
  <busconfig><policy user="root">
    <allow own="org.example.Probe"/>
    <allow send_destination="org.example.Called"/>
  </policy></busconfig>
  END
  cat >$out/share/dbus-1/system-services/org.example.Called.service <<END
  [D-BUS Service]
  Name=org.example.Called
  Exec=/bin/false
  User=root
  SystemdService=called.service
  END
'')"""

HONOURED = {
    "sudo: who may run what": Honoured(
        """security.sudo.extraRules = [ {
          users = [ "games" ];
          commands = [ { command = "/usr/bin/id -u"; options = [ "NOPASSWD" ]; } ];
        } ];""",
        "setpriv --reuid games --clear-groups sudo -n -l | grep 'NOPASSWD: /usr/bin/id -u'"
        " && test $(setpriv --reuid games --clear-groups sudo -n /usr/bin/id -u) = 0 && visudo --check",
    ),
    "logrotate: a log": Honoured(
        """services.logrotate.settings."/var/log/app/*.log" = { rotate = 2; compress = true; };""",
        "echo line >/var/log/app/one.log && logrotate --force --state /run/rotated /etc/logrotate.conf"
        " && test -s /var/log/app/one.log.1.gz && rm /var/log/app/one.log.1.gz",
        prepare="mkdir /var/log/app",
    ),
    "cron: a job": Honoured(
        """services.cron.systemCronJobs = [ "@reboot root touch /run/ran" ];""",
        # What is to be done once after a boot is done when cron first starts.
        "rm -f /run/crond.reboot && systemctl restart cron.service"
        " && (timeout 5 sh -c 'until test -e /run/ran; do :; done' || false) && rm /run/ran",
    ),
    "D-Bus: who may own a name": Honoured(
        f"services.dbus.packages = [ {BUS_PACKAGE} ];",
        "busctl call org.freedesktop.DBus / org.freedesktop.DBus RequestName su org.example.Probe 4",
    ),
    "D-Bus: a service that starts when it is called": Honoured(
        f"services.dbus.packages = [ {BUS_PACKAGE} ];"
        'systemd.services.called.serviceConfig = { Type = "oneshot"; ExecStart = "/usr/bin/touch /run/called"; };',
        "busctl --expect-reply=no call org.example.Called / org.example.Called Go"
        " && (timeout 5 sh -c 'until test -e /run/called; do :; done' || false) && rm /run/called",
    ),
    "udev: a rule": Honoured(
        """services.udev.extraRules = ''KERNEL=="null", SYMLINK+="honoured"'';""",
        "udevadm test /sys/class/mem/null 2>&1 | grep /dev/honoured",
    ),
    "PAM: a service with the distribution's stack": Honoured(
        "security.pam.services.probe = { };",
        "echo secret | pamtester probe person authenticate acct_mgmt"
        " && ! echo wrong | pamtester probe person authenticate && test -e /etc/pam.d/probe",
        prepare="useradd person && echo person:secret | chpasswd",
    ),
    "PAM: a service with a stack of its own": Honoured(
        """security.pam.services.probe.text = "auth required pam_permit.so";""",
        "pamtester probe root authenticate",
        prepare="mv /etc/pam.d/other /etc/other && echo 'auth required pam_deny.so' >/etc/pam.d/other",
    ),
    "wrappers: a capability": Honoured(
        """security.wrappers.tac = { source = ./tac; capabilities = "cap_dac_read_search+ep"; };""",
        "setpriv --reuid games --clear-groups /run/wrappers/bin/tac /etc/shadow | grep ^root:",
    ),
    "wrappers: a group": Honoured(
        """security.wrappers.tac = { source = ./tac; setgid = true; group = "shadow"; };""",
        "setpriv --reuid games --clear-groups /run/wrappers/bin/tac /etc/shadow | grep ^root:",
    ),
    "wrappers: an owner": Honoured(
        """security.wrappers.tac = { source = ./tac; setuid = true; };""",
        "setpriv --reuid games --clear-groups /run/wrappers/bin/tac /etc/shadow | grep ^root:",
    ),
    "hosts: names": Honoured(
        """networking.hosts."192.0.2.10" = [ "db.example.org" "db" ]; networking.extraHosts = "192.0.2.11 cache";""",
        "getent hosts db | grep -q 192.0.2.10 && getent hosts cache | grep -q 192.0.2.11 && getent hosts localhost",
        # An administrator's own line, without an end.
        prepare="printf '192.0.2.99 mine' >>/etc/hosts",
    ),
    "Nix: a setting": Honoured(
        'nix.settings = { cores = 3; sandbox-paths = [ "/srv" ]; };',
        "nix --extra-experimental-features nix-command show-config | grep -x 'cores = 3'",
    ),
    "shells: a variable, an alias, a command": Honoured(
        """environment.sessionVariables.PROBE = "a b";
        environment.shellAliases.probe = "echo alias";
        environment.loginShellInit = "PROBED=yes";""",
        "test \"$(bash -lc 'echo $PROBE-$PROBED')\" = 'a b-yes' && bash -lic probe 2>/dev/null | grep -x alias",
    ),
    "kernel: what is loaded, and what is not": Honoured(
        """boot.kernelModules = [ "loop" ]; boot.blacklistedKernelModules = [ "pcspkr" ];""",
        # A container may not load any.
        "modprobe --showconfig | grep -x 'blacklist pcspkr' && grep -x loop /etc/modules-load.d/nixos.conf",
    ),
}


@pytest.mark.skipif(LACKING is not None, reason=str(LACKING))
@pytest.mark.parametrize("name", HONOURED)
@pytest.mark.leaves("'/home/person' does not exist", "conffile: /etc/pam.d/other", why="so the machine was prepared")
def test_an_option_is_used_and_goes_away(
    make_machine: Callable[..., SystemdMachine], tmp_path: Path, name: str
) -> None:
    option = HONOURED[name]
    # A program that the configurations bring with them.
    shutil.copy(root_of(IMAGE) / "usr/bin/tac", tmp_path)
    host = Host(make_machine(image=IMAGE), tmp_path)
    machine = host.machine
    machine.succeed(option.prepare)
    before = take_snapshot(machine)
    machine.fail(option.probe)

    host.switch(f"{{ pkgs, ... }}: {{ {option.configuration} }}")
    machine.wait_until_succeeds(option.probe, timeout=20)
    assert "No changes" in host.switch(f"{{ pkgs, ... }}: {{ {option.configuration} }}")

    host.run("deactivate")
    machine.wait_until_fails(option.probe, timeout=20)
    assert_same(before, take_snapshot(machine))


KERNEL = """
{
  boot.kernel.sysctl."vm.swappiness" = 17;
  services.udev.extraRules = ''KERNEL=="null", SYMLINK+="honoured"'';
}
"""


@pytest.mark.kinds("uml", "qemu")
def test_parameters_and_rules_reach_the_kernel_and_udev(machine: SystemdMachine, tmp_path: Path) -> None:
    host = Host(machine, tmp_path)
    before = take_snapshot(machine)
    machine.succeed("test $(cat /proc/sys/vm/swappiness) != 17")
    host.switch(KERNEL)
    assert machine.succeed("cat /proc/sys/vm/swappiness").strip() == "17"
    # udevd looks for new rules every few seconds.
    event = "udevadm trigger --settle /sys/class/mem/null"
    machine.wait_until_succeeds(f"{event} && test $(readlink /dev/honoured) = null", timeout=30)
    machine.reboot()
    machine.wait_until_succeeds("test $(cat /proc/sys/vm/swappiness) = 17 && test -e /dev/honoured", timeout=60)
    host.run("deactivate")
    machine.wait_until_fails(f"{event} && test -e /dev/honoured", timeout=30)
    assert_same(before, take_snapshot(machine))
