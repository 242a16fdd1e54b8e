"""The distribution's sshd and ssh with settings of a configuration: nobody is locked out, and it lets go of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from images.rootimage import lacks_root
from judges.snapshot import ACCOUNT_BACKUPS, SUBID_BACKUPS, assert_same, take_snapshot
from program.host import Host

OPTIONS = "-o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=10"

KNOW_HOST = "sed 's/^/localhost /' /etc/ssh/ssh_host_ed25519_key.pub >/root/.ssh/known_hosts"


@pytest.fixture
def host(request: pytest.FixtureRequest, make_machine: Callable[..., SystemdMachine], tmp_path: Path) -> Host:
    """A Debian whose sshd runs, with an administrator who has a key and a password."""
    image = request.config.getoption("--image") or "debian-12"
    if lacking := lacks_root(image):
        pytest.skip(lacking)
    host = Host(make_machine(image=image), tmp_path)
    host.machine.succeed(
        "useradd --create-home --shell /bin/bash admin && echo admin:secret | chpasswd",
        "ssh-keygen -q -t ed25519 -N '' -f /root/key",
        "install -d -o admin -m 0700 /home/admin/.ssh",
        "install -o admin -m 0600 /root/key.pub /home/admin/.ssh/authorized_keys",
        "ls /etc/ssh/ssh_host_ed25519_key >/dev/null || ssh-keygen -A",
        "systemctl start ssh.service",
    )
    host.machine.wait_for_open_port(22)
    return host


def login(user: str, port: int = 22, key: str = "/root/key") -> str:
    """Gives a command that runs one as a user of the machine itself, whose host key is known."""
    return f"ssh {OPTIONS} -i {key} -p {port} {user}@localhost"


def methods(host: Host) -> str:
    """Returns the ways to log in that the running sshd offers to a user without any."""
    command = f"ssh {OPTIONS} -v -o PreferredAuthentications=none admin@localhost 2>&1"
    output = host.machine.execute(command)[1]
    return next(line for line in output.splitlines() if "can continue" in line).partition(": ")[2].split(": ")[-1]


def configuration(machine: SystemdMachine) -> str:
    """Gives a configuration with sshd on a second port, a user with a key of its own, and a known host."""
    key = machine.succeed("test -e /root/alice || ssh-keygen -q -t ed25519 -N '' -f /root/alice; cat /root/alice.pub")
    host_key = machine.succeed("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub").strip()
    return f"""
      {{
        services.openssh = {{
          enable = true;
          ports = [ 22 2222 ];
          settings.PasswordAuthentication = false;
        }};
        users.users.alice = {{
          isNormalUser = true;
          openssh.authorizedKeys.keys = [ "{key.strip()}" ];
        }};
        programs.ssh.knownHosts.local = {{
          hostNames = [ "localhost" "[localhost]:2222" ];
          publicKey = "{host_key}";
        }};
        programs.ssh.extraConfig = ''
          Host by-alias
            HostName localhost
            HostKeyAlias localhost
        '';
      }}
    """


def test_sshd_takes_settings_keeps_its_sessions_and_lets_go_of_them(host: Host) -> None:
    machine = host.machine
    machine.succeed(
        "install -d -m 0700 /root/.ssh",
        KNOW_HOST,
        f"systemd-run --unit=session --setenv=HOME=/root {login('admin')} 'touch in && exec tail -f /dev/null'",
    )
    machine.wait_for_file("/home/admin/in")
    session = machine.succeed("pgrep -u admin -x tail").strip()
    assert methods(host) == "publickey,password"
    before, daemon = take_snapshot(machine), host.pid("ssh.service")

    host.switch(configuration(machine))
    machine.succeed("rm /root/.ssh/known_hosts")
    machine.wait_for_open_port(2222)
    assert machine.succeed(f"{login('alice', 2222, '/root/alice')} id -un").strip() == "alice"
    assert machine.succeed(f"{login('admin')} id -un").strip() == "admin"
    assert machine.succeed("ssh -o BatchMode=yes -i /root/key admin@by-alias id -un").strip() == "admin"
    assert methods(host) == "publickey"
    assert host.pid("ssh.service") == daemon
    machine.succeed(f"kill -0 {session}")

    assert "No changes" in host.switch(configuration(machine))
    host.switch(configuration(machine).replace("22 2222", "22"))
    machine.wait_until_fails("nc -z localhost 2222", timeout=30)

    host.run("deactivate")
    machine.succeed(KNOW_HOST)
    offers = f"ssh {OPTIONS} -v -o PreferredAuthentications=none admin@localhost 2>&1 | grep 'can continue'"
    machine.wait_until_succeeds(f'[[ "$({offers})" = *publickey,password* ]]', timeout=30)
    assert host.pid("ssh.service") == daemon
    machine.succeed(f"kill -0 {session}")
    assert_same(before, take_snapshot(machine), ignore=(*ACCOUNT_BACKUPS, *SUBID_BACKUPS))


# What would lock somebody out, or come to nothing: what the host is like, the configuration, what the refusal says.
REFUSALS = {
    "a value that sshd does not know": (
        "true",
        'settings.PermitRootLogin = "perhaps";',
        "sshd does not take these settings",
    ),
    "nobody has a key": (
        "rm /home/admin/.ssh/authorized_keys",
        "settings.PasswordAuthentication = false;",
        "nobody could log in any more",
    ),
    "only others may": ("true", 'settings.AllowUsers = [ "somebody" ];', "nobody could log in any more"),
    "keys elsewhere": (
        "sed -i '$ a AuthorizedKeysFile /srv/keys/%u' /etc/ssh/sshd_config",
        'authorizedKeysFiles = [ "/other/%u" ];',
        "has sshd read keys from /srv/keys/%u",
    ),
    "a port that is taken": (
        "systemd-run --quiet python3 -m http.server 2222; until ss -Hltn sport = :2222 | grep -q .; do :; done",
        "ports = [ 2222 ];",
        "port 2222 is taken",
    ),
    "a file that wins": (
        "echo 'PasswordAuthentication yes' >/etc/ssh/sshd_config.d/00-mine.conf",
        "settings.PasswordAuthentication = false;",
        "/etc/ssh/sshd_config.d/00-mine.conf sets passwordauthentication before",
    ),
    "files that are not read": (
        "sed -i /^Include/d /etc/ssh/sshd_config",
        "settings.PasswordAuthentication = false;",
        "/etc/ssh/sshd_config does not include /etc/ssh/sshd_config.d/*.conf",
    ),
    "a socket that listens": (
        "systemctl stop ssh.service && systemctl start ssh.socket",
        "ports = [ 2222 ];",
        "the host listens by ssh.socket",
    ),
}


@pytest.mark.parametrize("why", REFUSALS)
def test_settings_that_would_do_harm_are_refused_before_anything_changes(host: Host, why: str) -> None:
    machine = host.machine
    prepare, settings, refusal = REFUSALS[why]
    machine.succeed(prepare)
    host.refuses(f"{{ services.openssh = {{ enable = true; {settings} }}; }}", refusal)


def test_an_sshd_that_is_off_is_started_where_nothing_else_is_said(host: Host) -> None:
    host.machine.succeed("systemctl stop ssh.service")
    host.switch("{ services.openssh.enable = true; }")
    assert host.machine.succeed("systemctl is-active ssh.service") == "active\n"


def test_an_sshd_that_never_ran_is_started_and_told(host: Host) -> None:
    machine = host.machine
    machine.succeed("systemctl stop ssh.service && rm /etc/ssh/ssh_host_* && rm -rf /run/sshd && ssh-keygen -A")
    # With a key from the configuration, a way stays open although passwords go.
    machine.succeed("rm /home/admin/.ssh/authorized_keys")
    host.switch(configuration(machine))
    machine.wait_for_unit("ssh.service")
    machine.wait_for_open_port(2222)
    assert machine.succeed(f"{login('alice', 2222, '/root/alice')} id -un").strip() == "alice"
