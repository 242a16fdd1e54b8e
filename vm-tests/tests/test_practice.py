"""What happens on hosts of practice: other programs and people who write where we do."""

from __future__ import annotations

import pytest

from api.systemd_api import SystemdMachine
from judges.snapshot import assert_same, take_snapshot
from program.host import Host

SLEEP = "/bin/sleep infinity"


@pytest.fixture
def host(practice_host: Host) -> Host:
    """The host that all of these use."""
    return practice_host


def write(machine: SystemdMachine, path: str, text: str) -> None:
    """Writes a file, with the folder that it is in."""
    machine.succeed(f"mkdir -p $(dirname {path}) && cat >{path} <<'END'\n{text}\nEND")


def service(name: str, extra: str = "", *, start: str = SLEEP) -> str:
    """Gives the configuration of a service that is wanted."""
    return (
        f'{{ systemd.services.{name} = {{ wantedBy = [ "multi-user.target" ]; '
        f'serviceConfig.ExecStart = "{start}"; {extra} }}; }}'
    )


def let_in(machine: SystemdMachine) -> None:
    """Gives sshd its keys, and root one that it takes."""
    machine.succeed(
        "ls /etc/ssh/ssh_host_ed25519_key >/dev/null || ssh-keygen -A",
        "rm -f /etc/nologin",
        "mkdir -p -m 700 /root/.ssh && ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519",
        "cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys",
    )


def nice(machine: SystemdMachine, pid: int) -> str:
    """Returns the nice value of a process."""
    return machine.succeed(f"ps -o ni= -p {pid}").strip()


def test_a_unit_of_ours_whose_file_is_gone_is_still_ours(host: Host) -> None:
    machine = host.machine
    first = host.bring(service("sm-own", 'environment.V = "1";'))
    host.run("activate", first)
    # `not-found`, and running.
    lose = "rm -r /etc/systemd/system/sm-own.service && systemctl daemon-reload"
    machine.succeed(lose)
    pid = host.pid("sm-own.service")
    host.run("activate", host.bring(service("sm-own", 'environment.V = "2";')))
    assert host.pid("sm-own.service") not in (0, pid)
    assert "V=2" in machine.get_unit_property("sm-own.service", "Environment")
    machine.succeed(lose)
    pid = host.pid("sm-own.service")
    host.run("activate", host.bring("{ }"))
    machine.fail(f"test -e /proc/{pid}")
    # A link of ours that an administrator's `disable` took is drift, and nothing is stopped for it.
    host.run("activate", first)
    pid = host.pid("sm-own.service")
    machine.succeed("rm /etc/systemd/system/multi-user.target.wants/sm-own.service && systemctl daemon-reload")
    assert "sm-own.service was removed by hand" in host.run("status")
    host.run("activate", first)
    assert host.pid("sm-own.service") == pid
    host.run("deactivate")
    machine.fail(f"test -e /proc/{pid}")


NICE = "{ systemd.services.sm-host.serviceConfig.Nice = 5; }"
HOSTS_UNIT = f"[Service]\nExecStart={SLEEP}\n[Install]\nWantedBy=multi-user.target"


def test_a_unit_of_the_host_that_is_removed_or_edited_beneath_ours(host: Host) -> None:
    machine = host.machine
    path = "/usr/lib/systemd/system/sm-host.service"
    write(machine, path, HOSTS_UNIT)
    machine.succeed("systemctl daemon-reload", "systemctl enable --now sm-host.service")
    host.run("activate", host.bring(NICE))
    assert nice(machine, host.pid("sm-host.service")) == "5"
    # An upgrade of the package edits it.
    write(machine, path, HOSTS_UNIT.replace(SLEEP, "/bin/sleep 100000"))
    machine.succeed("systemctl daemon-reload")
    assert "No changes" in host.run("activate", host.bring(NICE))
    host.run("activate", host.bring(NICE.replace("5", "6")))
    pid = host.pid("sm-host.service")
    assert "100000" in machine.succeed(f"tr '\\0' ' ' </proc/{pid}/cmdline") and nice(machine, pid) == "6"
    # An administrator's own file above it, with `systemctl edit --full`, and a drop-in beside ours.
    write(machine, "/etc/systemd/system/sm-host.service", HOSTS_UNIT.replace(SLEEP, "/bin/sleep 200000"))
    write(machine, "/etc/systemd/system/sm-host.service.d/admin.conf", "[Service]\nEnvironment=ADMIN=1")
    machine.succeed("systemctl daemon-reload", "systemctl restart sm-host.service")
    host.run("activate", host.bring(NICE.replace("5", "7")))
    pid = host.pid("sm-host.service")
    assert "200000" in machine.succeed(f"tr '\\0' ' ' </proc/{pid}/cmdline") and nice(machine, pid) == "7"
    host.run("activate", host.bring("{ }"))
    assert "ADMIN=1" in machine.get_unit_property("sm-host.service", "Environment")
    assert nice(machine, host.pid("sm-host.service")) == "0"
    machine.succeed("rm -r /etc/systemd/system/sm-host.service /etc/systemd/system/sm-host.service.d")
    # The package goes while ours extends its unit: what still runs is not ours to stop, and can't be restarted.
    machine.succeed("systemctl daemon-reload", "systemctl restart sm-host.service")
    host.run("activate", host.bring(NICE))
    pid = host.pid("sm-host.service")
    machine.succeed(f"rm {path} /etc/systemd/system/multi-user.target.wants/sm-host.service", "systemctl daemon-reload")
    host.run("deactivate")
    assert host.pid("sm-host.service") == pid
    machine.succeed("systemctl stop sm-host.service")


def test_a_switch_from_an_ssh_session_whose_slice_and_server_change(host: Host) -> None:
    machine = host.machine
    let_in(machine)
    machine.succeed("systemctl restart ssh")
    machine.wait_for_open_port(22)
    configuration = """
    {
      systemd.services.ssh.serviceConfig.Nice = -2;
      systemd.services.systemd-logind.serviceConfig.Nice = -2;
      systemd.services.dbus.serviceConfig.Nice = -2;
      systemd.services."user@".serviceConfig.Nice = 1;
      systemd.slices.user.sliceConfig.TasksMax = 5000;
      systemd.slices."user-".sliceConfig.TasksMax = 4000;
      systemd.slices."user-0".sliceConfig.TasksMax = 3000;
      systemd.slices."system".sliceConfig.TasksMax = 9000;
    }
    """
    ssh = "ssh -o BatchMode=yes -o StrictHostKeyChecking=no root@localhost"
    for toplevel in (host.bring(configuration), host.bring("{ }")):
        said = machine.succeed(
            f"{ssh} 'echo $XDG_SESSION_ID; cat /proc/self/cgroup; system-manager activate {toplevel}; echo code $?; "
            "loginctl --no-legend' 2>&1"
        )
        assert "code 0" in said and "session-" in said and "Activated" in said, said
        machine.succeed(f"{ssh} true")
        assert "No changes" in host.run("activate", toplevel)
    machine.succeed("systemctl stop ssh")


def test_sockets_that_start_the_server_and_sessions_on_them(host: Host) -> None:
    machine = host.machine
    let_in(machine)
    machine.succeed("systemctl disable --now ssh.service", "systemctl enable --now ssh.socket")
    before = take_snapshot(machine)
    ssh = "ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null root@localhost"
    machine.succeed(f"systemd-run --quiet --unit=sm-session {ssh} sleep infinity")
    machine.wait_until_succeeds("pgrep -x sleep")
    sleeps = machine.succeed("pgrep -x sleep")
    toplevel = host.bring(
        "{ systemd.services.ssh.serviceConfig.Nice = -2; systemd.sockets.ssh.socketConfig.Backlog = 9; }"
    )
    for run in (["activate", toplevel], ["activate", host.bring("{ }")], ["activate", toplevel], ["deactivate"]):
        host.run(*run)
        machine.require_unit_state("ssh.socket")
        assert machine.succeed("pgrep -x sleep") == sleeps
        machine.succeed(f"{ssh} true")
    machine.succeed("systemctl stop sm-session.service; systemctl reset-failed sm-session.service || true")
    assert_same(before, take_snapshot(machine))
    machine.succeed("systemctl disable --now ssh.socket")


def test_masks_links_and_properties_of_an_administrator(host: Host) -> None:
    machine = host.machine
    machine.succeed(
        "systemctl start cron",
        "systemctl mask --now cron.service",
        "systemctl set-property rsyslog.service CPUWeight=50",
    )
    write(machine, "/root/sm-linked.service", HOSTS_UNIT)
    machine.succeed("systemctl link /root/sm-linked.service", "systemctl start sm-linked.service")
    wants = "/etc/systemd/system/multi-user.target.wants"
    machine.succeed(f"mkdir -p {wants} && ln -s /lib/systemd/system/sm-gone.service {wants}/")
    write(machine, "/etc/systemd/system/run-sm\\\\x2dsnap.mount", "[Mount]\nWhat=tmpfs\nWhere=/run/sm-snap\nType=tmpfs")
    machine.succeed("systemctl daemon-reload", "systemctl start 'run-sm\\x2dsnap.mount'")
    before = take_snapshot(machine)
    pid = host.pid("sm-linked.service")
    # A drop-in for what is masked is placed, and starts nothing; a whole unit in its place is a conflict.
    extended = "{ systemd.services.cron.serviceConfig.Nice = 5; systemd.services.rsyslog.serviceConfig.Nice = 5; }"
    host.run("activate", host.bring(extended))
    machine.require_unit_state("cron.service", "inactive")
    assert machine.get_unit_property("rsyslog.service", "CPUWeight") == "50"
    host.run("deactivate")
    assert_same(before, take_snapshot(machine))
    host.refuses(service("cron"), 'system-manager.replaceExisting = [ "systemd/system/cron.service" ]')
    host.refuses(service("sm-linked"), 'system-manager.replaceExisting = [ "systemd/system/sm-linked.service" ]')
    taken = service("cron")[:-1] + ' system-manager.replaceExisting = [ "systemd/system/cron.service" ]; }'
    host.run("activate", host.bring(taken))
    machine.require_unit_state("cron.service")
    host.run("activate", host.bring("{ }"))
    machine.require_unit_state("cron.service", "inactive")
    host.run("activate", host.bring(taken))
    host.run("deactivate")
    machine.require_unit_state("cron.service", "inactive")
    assert host.pid("sm-linked.service") == pid
    machine.succeed("mountpoint /run/sm-snap")
    assert_same(before, take_snapshot(machine))
    # The same with a unit that runs: it is the administrator's again, and runs.
    taken = service("sm-linked", start="/bin/sleep 100000")[:-1]
    host.run(
        "activate", host.bring(taken + ' system-manager.replaceExisting = [ "systemd/system/sm-linked.service" ]; }')
    )
    assert "100000" in machine.succeed(f"tr '\\0' ' ' </proc/{host.pid('sm-linked.service')}/cmdline")
    host.run("deactivate")
    assert "infinity" in machine.succeed(f"tr '\\0' ' ' </proc/{host.pid('sm-linked.service')}/cmdline")
    assert_same(before, take_snapshot(machine))
    machine.succeed("systemctl stop sm-linked.service 'run-sm\\x2dsnap.mount'")


def test_a_service_of_init_scripts_is_beneath_ours_too(host: Host) -> None:
    machine = host.machine
    header = "### BEGIN INIT INFO\n# Provides: sm-init\n# Default-Start: 3\n# Default-Stop: 0\n### END INIT INFO"
    write(machine, "/etc/init.d/sm-init", f"#!/bin/sh\n{header}\ncase $1 in start) echo up >>/run/sm-init ;; esac")
    machine.succeed("chmod 755 /etc/init.d/sm-init", "ln -s ../init.d/sm-init /etc/rc3.d/S01sm-init")
    machine.succeed("systemctl daemon-reload", "systemctl start sm-init.service")
    before = take_snapshot(machine)
    toplevel = host.bring(service("sm-init"))
    assert "sm-init.service: the host's unit is replaced" in host.run("plan", toplevel)
    host.run("activate", toplevel)
    assert host.pid("sm-init.service") != 0
    host.run("deactivate")
    machine.require_unit_state("sm-init.service")
    assert machine.succeed("wc -l </run/sm-init").strip() == "2"
    assert_same(before, take_snapshot(machine))
    machine.succeed("systemctl stop sm-init.service")


def test_a_timer_that_catches_up_does_not_fire_because_it_changed(host: Host) -> None:
    machine = host.machine
    configuration = """
    {
      systemd.services.sm-job = { script = "echo ran >>/run/sm-ran"; serviceConfig.Type = "oneshot"; };
      systemd.timers.sm-job = { wantedBy = [ "timers.target" ]; description = "VERSION";
        timerConfig = { OnCalendar = "daily"; Persistent = true; RandomizedDelaySec = "VERSION min"; }; };
    }
    """
    for version in ("1", "2", "3"):
        host.run("activate", host.bring(configuration.replace("VERSION", version)))
        machine.require_unit_state("sm-job.timer")
        machine.require_unit_state("sm-job.service", "inactive")
    machine.fail("test -e /run/sm-ran")
    host.run("deactivate")
    machine.fail("systemctl cat sm-job.timer")


def test_files_that_other_programs_write_anew(host: Host) -> None:
    machine = host.machine
    machine.succeed("ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf")
    machine.succeed("ln -sf /usr/share/zoneinfo/UTC /etc/localtime")
    before = take_snapshot(machine)
    files = """
    {
      environment.etc."resolv.conf" = { text = "nameserver 192.0.2.1\\n"; replaceExisting = true; };
      environment.etc."localtime" = { source = "/usr/share/zoneinfo/Europe/Paris"; replaceExisting = true; };
      environment.etc."alternatives/editor" = { source = "/bin/true"; mode = "direct-symlink";
        replaceExisting = true; };
      networking.hosts."192.0.2.7" = [ "sm-db" ];
    }
    """
    host.refuses(files.replace("replaceExisting = true;", ""), "/etc/resolv.conf exists and is not managed")
    toplevel = host.bring(files)
    host.run("activate", toplevel)
    # resolved, cloud-init, timedatectl, update-alternatives, each by its own way of writing.
    machine.succeed("rm /etc/resolv.conf && ln -s ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf")
    machine.succeed("timedatectl set-timezone Asia/Tokyo")
    machine.succeed("update-alternatives --install /usr/bin/editor editor /bin/false 500 2>/dev/null")
    write(machine, "/etc/cloud/cloud.cfg.d/sm.cfg", "manage_etc_hosts: true\nhostname: machine")
    machine.execute("cloud-init single --name cc_update_etc_hosts --frequency always --report")
    machine.succeed(
        "rm /etc/cloud/cloud.cfg.d/sm.cfg", "grep -q sm-db /etc/hosts && sed -i /sm-db/d /etc/hosts || true"
    )
    status = host.run("status")
    for name in ("resolv.conf", "localtime", "alternatives/editor"):
        assert f"drift: /etc/{name} was" in status, status
    assert "drift: the managed lines in /etc/hosts were" in status
    host.run("activate", toplevel)
    assert machine.succeed("readlink /etc/localtime").strip() == "/usr/share/zoneinfo/Europe/Paris"
    machine.succeed("grep sm-db /etc/hosts", "grep 192.0.2.1 /etc/resolv.conf")
    assert "drift" not in host.run("status")
    host.run("deactivate")
    machine.succeed("update-alternatives --remove editor /bin/false 2>/dev/null || true")
    assert machine.succeed("readlink /etc/resolv.conf").strip() == "../run/systemd/resolve/stub-resolv.conf"
    assert machine.succeed("readlink /etc/localtime").strip() == "/usr/share/zoneinfo/UTC"
    del before


def test_a_package_manager_that_runs_at_the_same_time(host: Host) -> None:
    machine = host.machine
    before = take_snapshot(machine)
    # Locked by unattended-upgrades, with a package half unpacked.
    machine.succeed(
        "systemd-run --quiet --unit=sm-apt flock /var/lib/dpkg/lock-frontend flock /var/lib/dpkg/lock sleep infinity"
    )
    machine.succeed(
        "cp /var/lib/dpkg/status /root/status",
        "sed -i '0,/install ok installed/s//install reinstreq half-installed/' /var/lib/dpkg/status",
    )
    host.run("activate", host.bring('{ environment.etc."logrotate.d/rsyslog".text = "x\\n"; }'))
    assert machine.succeed("cat /etc/logrotate.d/rsyslog") == "x\n"
    machine.succeed("cp /root/status /var/lib/dpkg/status", "systemctl stop sm-apt.service")
    host.run("deactivate")
    assert_same(before, take_snapshot(machine))


def test_rules_below_the_old_name_of_run(host: Host) -> None:
    machine = host.machine
    toplevel = host.bring('{ systemd.tmpfiles.rules = [ "d /var/run/sm-old 0750 root root -" ]; }')
    host.run("activate", toplevel)
    assert machine.succeed("stat -c %a /run/sm-old").strip() == "750"
    assert "drift" not in host.run("status")
    assert "No changes" in host.run("activate", toplevel)
    host.run("deactivate")


def test_pam_and_apparmor_read_what_is_placed(host: Host) -> None:
    machine = host.machine
    before = take_snapshot(machine)
    pam = "auth sufficient pam_permit.so\\naccount sufficient pam_permit.so\\n"
    toplevel = host.bring(
        f"""
        {{
          environment.etc."pam.d/sm-app".text = "{pam}";
          environment.etc."pam.d/common-session-noninteractive" = {{ text = "session required pam_permit.so\\n";
            replaceExisting = true; }};
          environment.etc."apparmor.d/sm-app".text = "profile sm-app /usr/bin/sm-app {{ /etc/** r, }}\\n";
        }}
        """
    )
    host.run("activate", toplevel)
    machine.succeed(
        "pamtester sm-app root authenticate acct_mgmt",
        "apparmor_parser --skip-kernel-load --skip-cache /etc/apparmor.d/sm-app",
    )
    # What `pam-auth-update` writes anew is seen, and writes nothing into the store.
    machine.succeed("DEBIAN_FRONTEND=noninteractive pam-auth-update --package --force </dev/null")
    status = host.run("status")
    assert "in the store" not in status, status
    host.run("activate", toplevel)
    assert machine.succeed("cat /etc/pam.d/common-session-noninteractive") == "session required pam_permit.so\n"
    host.run("deactivate")
    machine.succeed("rm /etc/pam.d/*.pam-old")
    assert_same(before, take_snapshot(machine))


def test_a_job_of_the_host_that_is_at_work_is_not_cut_short(host: Host) -> None:
    machine = host.machine
    job = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'read x </run/sm-end; echo done >/run/sm-done'"
    write(machine, "/usr/lib/systemd/system/sm-upgrade.service", job)
    machine.succeed("mkfifo /run/sm-end", "systemctl daemon-reload", "systemctl start --no-block sm-upgrade.service")
    machine.wait_until_succeeds("test $(systemctl show -P ActiveState sm-upgrade.service) = activating")
    extended = host.bring("{ systemd.services.sm-upgrade.serviceConfig.Nice = 5; }")
    for toplevel in (extended, host.bring("{ }"), extended):
        pid = host.pid("sm-upgrade.service")
        assert "it is running, and uses the new definition from its next start" in host.run("plan", toplevel)
        host.run("activate", toplevel)
        assert host.pid("sm-upgrade.service") == pid
    machine.succeed("echo >/run/sm-end")
    machine.wait_until_succeeds("test -s /run/sm-done")
    assert "Nice=5" in machine.succeed("systemctl cat sm-upgrade.service")
    host.run("deactivate")


def test_another_name_of_the_hosts_server(host: Host) -> None:
    machine = host.machine
    machine.succeed(
        "ls /etc/ssh/ssh_host_ed25519_key >/dev/null || ssh-keygen -A",
        "rm -f /etc/nologin",
        "systemctl enable --now ssh",
    )
    before = take_snapshot(machine)
    # What is `sshd` on NixOS is `ssh` on Debian, which has it as another name.
    toplevel = host.bring("{ systemd.services.sshd.serviceConfig.Nice = -3; }")
    host.run("activate", toplevel)
    assert nice(machine, host.pid("ssh.service")) == "-3"
    assert "No changes" in host.run("activate", toplevel)
    host.run("deactivate")
    assert nice(machine, host.pid("ssh.service")) == "0"
    assert_same(before, take_snapshot(machine))
    host.refuses(service("sshd"), 'system-manager.replaceExisting = [ "systemd/system/sshd.service" ]')
    machine.succeed("systemctl stop ssh")


def test_presets_and_names_of_the_host_change_nothing_of_ours(host: Host) -> None:
    machine = host.machine
    toplevel = host.bring(
        service("sm-own")[:-1] + ' environment.etc."hostname" = { text = "sm-named\\n"; replaceExisting = true; }; }'
    )
    host.run("activate", toplevel)
    pid = host.pid("sm-own.service")
    machine.succeed("systemctl preset sm-own.service 2>&1 || true", "systemctl reenable sm-own.service 2>&1 || true")
    # They take links away, that of the unit among them; it runs on.
    assert "sm-own.service was removed by hand" in host.run("status")
    host.run("activate", toplevel)
    assert host.pid("sm-own.service") == pid
    assert "No changes" in host.run("activate", toplevel)
    # hostnamed writes beside and renames: the store is as it was.
    machine.succeed("hostnamectl set-hostname sm-other")
    assert "drift: /etc/hostname was changed by hand" in host.run("status")
    host.run("activate", toplevel)
    assert machine.succeed("cat /etc/hostname") == "sm-named\n"
    # needrestart looks at what runs from the store, and asks nobody.
    machine.succeed("needrestart -b -r l </dev/null")
    host.run("deactivate")
    machine.fail("test -e /etc/systemd/system/multi-user.target.wants/sm-own.service")
