"""Options of NixOS that a distribution honours, on a real systemd: they take effect, and go away without a trace."""

from __future__ import annotations

from pathlib import Path

from host import Host
from snapshot import assert_same, take_snapshot
from systemd_api import SystemdMachine

CONFIGURATION = """
{ pkgs, ... }:
let
  probe = pkgs.runCommand "probe" { } "mkdir -p $out/bin; cp $PATH/busybox $out/bin/probe";
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
