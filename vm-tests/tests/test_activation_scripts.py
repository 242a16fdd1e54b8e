"""Activation scripts on a running systemd: what they see, what they ask for, what becomes of them at boot."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from judges.verdict import judge, verdict
from program.host import Host

BOOT_UNIT = "system-manager-activation-scripts.service"

CONFIGURATION = """
{ lib, ... }: {
  users.groups.sm-app = { };
  users.users.sm-app = { isSystemUser = true; group = "sm-app"; };
  environment.etc."sm/seen".text = lib.mkDefault "one";

  system.activationScripts = {
    sm-prepare = {
      deps = [ "users" "groups" "etc" ];
      text = ''
        echo "$NIXOS_ACTION $(stat -c %U /run/sm 2>/dev/null) $(cat /etc/sm/seen)" >>/var/lib/sm-log
        install -d -o sm-app -g sm-app /run/sm
        sm_list=("two words" 'and "quotes"' $'a\\nline')
        sm_say() { printf '%s|' "$@"; }
        if systemctl is-active --quiet sm-web.service; then
          echo "the service was up" >>/var/lib/sm-log
        fi
      '';
    };
    sm-ask = {
      deps = [ "sm-prepare" ];
      supportsDryActivation = true;
      text = ''
        if [ "$NIXOS_ACTION" != dry-activate ]; then
          sm_say "''${sm_list[@]}" >/run/sm-shared
        fi
        if [ "$(cat /var/lib/sm-seen)" != "$(cat "$systemConfig/etc/sm/seen")" ]; then
          case "$NIXOS_ACTION" in
          dry-activate)
            echo sm-web.service >>/run/nixos/dry-activation-restart-list
            exit 0
            ;;
          switch | test)
            printf '%s\\n' sm-web.service sm-keep.service >>/run/nixos/activation-restart-list
            echo sm-reload.service >>/run/nixos/activation-reload-list
            ;;
          esac
          cp "$systemConfig/etc/sm/seen" /var/lib/sm-seen
        fi
      '';
    };
  };
  system.userActivationScripts.sm-home.text = "echo \\"$USER\\" >>~/sm-activated";

  systemd.services = let service = exec: { wantedBy = [ "multi-user.target" ]; serviceConfig = exec; }; in {
    # Fails where the script has not run before.
    sm-web = service {
      ExecStartPre = "/bin/test -d /run/sm";
      ExecStart = "/bin/sleep infinity";
      User = "sm-app";
    };
    sm-keep = service { ExecStart = "/bin/sleep infinity"; } // { restartIfChanged = false; };
    sm-reload = service {
      ExecStart = "/bin/sleep infinity";
      ExecReload = "/bin/touch /run/sm-reloaded";
    };
  };
  specialisation.two.configuration.environment.etc."sm/seen".text = "two";
  specialisation.killed.configuration = {
    environment.etc."sm/seen".text = "three";
    system.activationScripts.sm-kill = {
      deps = [ "sm-ask" ];
      text = ''
        if [ -e /var/lib/sm-kill ]; then
          rm /var/lib/sm-kill
          kill -9 "$(sed 's/.*process //' /var/lib/system-manager/lock)"
          sleep 60
        fi
      '';
    };
  };
  specialisation.broken.configuration.system.activationScripts.sm-broken = "echo it broke; false";
}
"""


@pytest.fixture
def host(machine: SystemdMachine, tmp_path: Path) -> Host:
    """A machine with the program in it."""
    return Host(machine, tmp_path)


@pytest.mark.kinds("container", "uml")
def test_scripts_see_users_and_files_and_units_start_after_them(host: Host) -> None:
    machine = host.machine
    machine.succeed("useradd --create-home alice", "loginctl enable-linger alice", "touch /var/lib/sm-seen")
    machine.wait_for_unit("default.target", "alice")
    baseline = judge(machine)
    toplevel = host.bring(CONFIGURATION)
    plan = host.run("plan", toplevel)
    assert "run     sm-prepare  (new)" in plan
    assert BOOT_UNIT not in plan.split("Units\n")[1]
    machine.fail("test -e /var/lib/sm-log")

    program = f"{toplevel}/bin/switch-to-configuration"
    machine.succeed(f"{program} switch")
    machine.require_unit_state("sm-web.service")
    assert machine.succeed("cat /var/lib/sm-log") == "switch  one\n"
    assert machine.succeed("stat -c %U:%G /run/sm") == "sm-app:sm-app\n"
    assert machine.succeed("cat /run/sm-shared") == 'two words|and "quotes"|a\nline|', "shells share variables"
    machine.fail("test -e /run/nixos/activation-shell")
    machine.wait_until_succeeds("grep -x alice ~alice/sm-activated")

    host.run("activate", toplevel)
    assert machine.succeed("cat /var/lib/sm-log") == "switch  one\n", "a second activation runs nothing"

    machine.reboot()
    machine.wait_for_unit("multi-user.target")
    machine.require_unit_state("sm-web.service")
    assert machine.succeed("cat /var/lib/sm-log") == "switch  one\n  one\n"
    verdict(machine, baseline, [BOOT_UNIT, "sm-web.service"])
    host.run("activate", toplevel)
    assert machine.succeed("cat /var/lib/sm-log") == "switch  one\n  one\n"
    web = host.pid("sm-web.service")
    machine.succeed(f"{program} switch")
    third = "switch  one\n  one\nswitch sm-app one\nthe service was up\n"
    assert machine.succeed("cat /var/lib/sm-log") == third, "as on NixOS, this program runs them each time"
    assert host.pid("sm-web.service") == web

    host.run("deactivate")
    assert machine.succeed("cat /var/lib/sm-log") == third
    machine.fail(f"test -e /etc/systemd/system/{BOOT_UNIT}")


def test_units_that_scripts_ask_for_are_restarted_and_reloaded(host: Host) -> None:
    machine = host.machine
    machine.succeed("touch /var/lib/sm-seen")
    toplevel = host.bring(CONFIGURATION)
    machine.succeed(f"{toplevel}/bin/switch-to-configuration switch")
    web, keep = host.pid("sm-web.service"), host.pid("sm-keep.service")
    machine.succeed("rm -f /run/sm-reloaded")
    other = f"{toplevel}/specialisation/two/bin/switch-to-configuration"

    log = machine.succeed("cat /var/lib/sm-log")
    # What a run under way has left for its scripts is its own.
    machine.succeed("mkdir --parents /run/nixos", "echo of a run >/run/nixos/activation-shell")
    output = machine.fail(f"flock /var/lib/system-manager/lock {other} dry-activate 2>&1")
    assert "another activation is running" in output
    assert machine.succeed("cat /run/nixos/activation-shell") == "of a run\n"
    output = machine.succeed(f"{other} dry-activate 2>&1")
    assert "would restart the following units: sm-web.service" in output
    assert "the activation script sm-prepare does not support dry activation" in output
    machine.fail("test -e /run/nixos/dry-activation-restart-list", "test -e /run/sm-reloaded")
    assert machine.succeed("cat /var/lib/sm-log") == log
    assert host.pid("sm-web.service") == web

    output = machine.succeed(f"{other} test 2>&1")
    assert "restarting the following units: sm-web.service" in output
    assert "NOT restarting the following changed units: sm-keep.service" in output
    assert host.pid("sm-web.service") != web
    assert host.pid("sm-keep.service") == keep
    machine.succeed("test -e /run/sm-reloaded")
    machine.fail("ls /run/nixos/*-list")
    assert machine.succeed("tail -n 2 /var/lib/sm-log") == "test sm-app two\nthe service was up\n"


def test_what_scripts_ask_for_is_not_forgotten_when_the_run_is_killed(host: Host) -> None:
    machine = host.machine
    machine.succeed("touch /var/lib/sm-seen")
    toplevel = host.bring(CONFIGURATION)
    host.run("activate", toplevel)
    web = host.pid("sm-web.service")
    killed = f"{toplevel}/specialisation/killed"
    machine.succeed("touch /var/lib/sm-kill")
    assert machine.execute(f"system-manager activate {killed} 2>&1")[0] == 137
    machine.wait_until_fails("pgrep --full '[/]bin/activation-sm-kill'")
    assert host.pid("sm-web.service") == web
    assert "sm-kill" in host.run("status")

    # The script does not ask a second time.
    output = host.run("activate", killed)
    assert "restarting the following units: sm-web.service" in output
    assert host.pid("sm-web.service") != web
    assert "sm-kill" not in host.run("status")


def test_a_failing_script_fails_the_switch_and_nothing_else(host: Host) -> None:
    machine = host.machine
    machine.succeed("touch /var/lib/sm-seen")
    toplevel = host.bring(CONFIGURATION)
    broken = f"{toplevel}/specialisation/broken"
    code, output = machine.execute(f"{broken}/bin/switch-to-configuration test 2>&1")
    assert code == 2, output
    assert "sm-broken: exit status 1\n      it broke" in output
    machine.require_unit_state("sm-web.service")
    output = host.run("activate", broken, expect=4)
    assert "activation scripts failed, and run again next time: sm-broken" in output
    assert "running the activation script sm-prepare" in output, "others may need what it sets"
    # Another configuration, which does not break.
    host.run("activate", toplevel)
