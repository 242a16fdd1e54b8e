"""Programs that are particular about their files, really run: what they say of a link of ours, and of what we place."""

from __future__ import annotations

import pytest

from judges.snapshot import assert_same, take_snapshot
from program.host import Host


@pytest.fixture
def host(practice_host: Host) -> Host:
    """The host that all of these use."""
    return practice_host


def entry(target: str, text: str, *, link: bool = False) -> str:
    """Gives a configuration with one file, as it comes, or as the link that a person insists on."""
    mode = 'mode = "direct-symlink"; ' if link else ""
    return f"{{ environment.etc.\"{target}\" = {{ {mode}text = ''{text}''; replaceExisting = true; }}; }}"


def place(host: Host, target: str, text: str, why: str, mode: str) -> None:
    """Places a file as it comes; the plan must say that it is a copy, and why."""
    toplevel = host.bring(entry(target, text))
    assert f"a copy, since {why}" in host.run("plan", toplevel)
    host.run("activate", toplevel)
    assert host.machine.succeed(f"stat -c '%F %a %U:%G' /etc/{target}").strip() == f"regular file {mode} root:root"


@pytest.mark.parametrize("target", ["cron.d/sm-job", "crontab"])
def test_cron_reads_no_file_of_a_store_that_was_optimised(host: Host, target: str) -> None:
    machine = host.machine
    before = take_snapshot(machine)
    job = "@reboot root echo ran >>/run/sm-ran\n"
    host.run("activate", host.bring(entry(target, job, link=True)))
    # What `nix-store --optimise` does with equal files.
    machine.succeed(f"ln $(readlink -f /etc/{target}) /nix/store/.sm-links")
    restart = "rm -f /run/crond.reboot && systemctl restart cron"
    machine.succeed(restart)
    machine.wait_until_succeeds("journalctl -u cron | grep 'NUMBER OF HARD LINKS > 1'", timeout=30)
    machine.fail("test -e /run/sm-ran")

    place(host, target, job, "cron ignores files with more than one hard link", "644")
    machine.succeed(restart)
    machine.wait_until_succeeds("test -s /run/sm-ran", timeout=30)
    host.run("deactivate")
    machine.succeed(restart)
    assert_same(before, take_snapshot(machine))


def test_run_parts_runs_only_what_is_executable(host: Host) -> None:
    machine = host.machine
    text = "#!/bin/sh\necho ran\n"
    for period in ("hourly", "daily", "weekly", "monthly"):
        target = f"cron.{period}/sm-job"
        host.run("activate", host.bring(entry(target, text, link=True)))
        assert machine.succeed(f"run-parts --test --regex sm-job /etc/cron.{period}") == ""
        place(host, target, text, "run-parts only runs executable files", "755")
        assert machine.succeed(f"run-parts --regex sm-job /etc/cron.{period}") == "ran\n"
    host.run("deactivate")


@pytest.mark.parametrize("target", ["sudoers.d/sm-user", "sudoers"])
def test_sudo_and_visudo_take_what_is_placed(host: Host, target: str) -> None:
    machine = host.machine
    machine.succeed("useradd --create-home sm-user")
    rules = "root ALL=(ALL:ALL) ALL\nsm-user ALL=(root) NOPASSWD: /usr/bin/id\n"
    host.run("activate", host.bring(entry(target, rules, link=True)))
    assert "bad permissions, should be mode 0440" in machine.execute("visudo -c 2>&1")[1]
    place(host, target, rules, "visudo requires this mode", "440")
    machine.succeed("visudo -c")
    assert machine.succeed("runuser -u sm-user -- sudo -n id -u") == "0\n"
    host.run("deactivate")
    machine.fail("runuser -u sm-user -- sudo -n id -u")


def test_networkmanager_wants_its_connections_for_itself(host: Host) -> None:
    machine = host.machine
    target = "NetworkManager/system-connections/sm.nmconnection"
    text = "[connection]\nid=sm\ntype=dummy\ninterface-name=sm0\nautoconnect=false\n[ipv4]\nmethod=disabled\n"
    host.run("activate", host.bring(entry(target, text, link=True)))
    machine.succeed("systemctl start NetworkManager")
    machine.wait_until_succeeds("journalctl -u NetworkManager | grep 'are insecure'", timeout=30)
    assert "sm" not in machine.succeed("nmcli --terse --fields NAME connection show").split()
    place(host, target, text, "NetworkManager ignores connections that others can read", "600")
    machine.succeed("nmcli connection reload")
    assert "sm" in machine.succeed("nmcli --terse --fields NAME connection show").split()
    host.run("deactivate")
    machine.succeed("systemctl stop NetworkManager")


def test_sshd_takes_no_keys_from_a_store_that_a_group_may_write_to(host: Host) -> None:
    machine = host.machine
    machine.succeed(
        "useradd --create-home --shell /bin/sh sm-user",
        "ls /etc/ssh/ssh_host_ed25519_key >/dev/null || ssh-keygen -A",
        "rm -f /etc/nologin",
        "ssh-keygen -q -t ed25519 -N '' -f /root/sm-key",
        "echo 'AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u' >/etc/ssh/sshd_config.d/sm.conf",
    )
    key = machine.succeed("cat /root/sm-key.pub").strip()
    login = (
        "ssh -i /root/sm-key -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
        "sm-user@localhost id -un"
    )
    target = "ssh/authorized_keys.d/sm-user"
    host.run("activate", host.bring(entry(target, f"{key}\n", link=True)))
    # The mode that Nix gives its store where there are build users.
    machine.succeed("chgrp users /nix/store && chmod 1775 /nix/store", "systemctl restart ssh")
    machine.wait_for_open_port(22)
    machine.fail(login)
    machine.wait_until_succeeds("journalctl -u ssh | grep 'bad ownership or modes for'", timeout=30)
    place(host, target, f"{key}\n", "sshd reads no keys from a folder that a group can write to", "444")
    assert machine.succeed(login).strip() == "sm-user"
    host.run("deactivate")
    machine.succeed("rm /etc/ssh/sshd_config.d/sm.conf", "systemctl stop ssh")


def test_logrotate_takes_links_and_refuses_what_others_may_write_to(host: Host) -> None:
    machine = host.machine
    text = "/var/log/sm.log { size 1\n rotate 1\n nocreate\n }\n"
    rotate = "echo x >/var/log/sm.log && logrotate --verbose /etc/logrotate.conf 2>&1"
    host.run("activate", host.bring(entry("logrotate.d/sm", text)))
    machine.succeed("test -L /etc/logrotate.d/sm")
    machine.succeed(rotate)
    machine.succeed("test -e /var/log/sm.log.1")
    for wrong, complaint in (
        ('mode = "0664";', "because it is writable by group or others"),
        ('mode = "0644"; user = "nobody";', "because the file owner is wrong"),
    ):
        host.run("activate", host.bring(entry("logrotate.d/sm", text).replace("text =", f"{wrong} text =")))
        assert complaint in machine.execute(rotate)[1]
    host.run("deactivate")


def test_names_that_their_programs_pass_over_are_told(host: Host) -> None:
    machine = host.machine
    for target, text, who in (
        ("cron.d/sm.job", "@reboot root touch /run/sm-dot\n", "cron"),
        ("cron.daily/sm.sh", "#!/bin/sh\ntouch /run/sm-dot\n", "run-parts"),
        ("sudoers.d/sm.user", "sm-user ALL=(root) NOPASSWD: /usr/bin/id\n", "sudo"),
    ):
        toplevel = host.bring(entry(target, text))
        assert f"{who} ignores this name because of its dot" in host.run("plan", toplevel)
        host.run("activate", toplevel)
    machine.succeed("rm -f /run/crond.reboot && systemctl restart cron && run-parts /etc/cron.daily")
    machine.succeed("journalctl --sync")
    machine.fail("test -e /run/sm-dot")
    machine.succeed("useradd --create-home sm-user")
    machine.fail("runuser -u sm-user -- sudo -n id")
    host.run("deactivate")
