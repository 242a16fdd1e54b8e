"""Roots for containers that are not the running system: made of a distribution's own packages by mmdebstrap."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from base.errors import MachineError
from base.process import LEASH, run
from images.cache import cached, is_cached

POLICY = "/etc/selinux/default/contexts/files/file_contexts"
"""Which label each path of a root gets, where the root has an SELinux policy."""

_BUILD_LIMIT = 1800.0
_LABEL_LIMIT = 300.0
_DEFAULT_MIRROR = "http://deb.debian.org/debian"


@dataclass(frozen=True)
class RootImage:
    """What a root is made of."""

    suite: str
    packages: tuple[str, ...]
    python: tuple[str, ...] = field(default=(), repr=False)
    """What comes from PyPI, into a virtual environment in /usr/lib/pypi."""

    def recipe(self) -> str:
        """Returns what the image is cached by. Pure."""
        return repr(self) + (repr(self.python) if self.python else "")


@dataclass(frozen=True)
class RootVariant:
    """A root that differs from another one in what a script does to a copy of it."""

    base: str
    script: str


_BASE = (
    "acl",
    "attr",
    "ca-certificates",
    "curl",
    "dbus",
    "dbus-user-session",
    "iproute2",
    "libpam-systemd",
    "netcat-openbsd",
    "nginx-light",
    "openssh-server",
    "passwd",
    "postgresql",
    "procps",
    "python3",
    "redis-server",
    "sudo",
    "systemd-sysv",
    "udev",
)

# What the tests of NixOS modules run: servers from different corners, and what options that are honoured are for.
_SERVICES = (
    "beanstalkd",
    "caddy",
    "cron",
    "dnsmasq-base",
    "haproxy",
    "icecast2",
    "kmod",
    "ldap-utils",
    "lighttpd",
    "logrotate",
    "mariadb-server",
    "memcached",
    "mosquitto",
    "mosquitto-clients",
    "nats-server",
    "nftables",
    "ngircd",
    "nix-bin",
    "pamtester",
    "postfix",
    "prometheus-node-exporter",
    "rsync",
    "slapd",
    "stunnel4",
    "tor",
    "unbound",
    "vsftpd",
)

# What nixpkgs's own tests want besides.
_MORE = (
    "apache2",
    "apache2-utils",
    "aria2",
    "at",
    "atop",
    "automysqlbackup",
    "avahi-daemon",
    "avahi-utils",
    "babeld",
    "bind9",
    "bind9-dnsutils",
    "bind9-host",
    "bird2",
    "borgbackup",
    "cgit",
    "chrony",
    "coturn",
    "deluge-console",
    "deluge-web",
    "deluged",
    "dnsdist",
    "docker-registry",
    "endlessh",
    "etcd-client",
    "etcd-server",
    "expect",
    "fail2ban",
    "fcgiwrap",
    "galera-4",
    "git",
    "gitolite3",
    "gobgpd",
    "golang-cfssl",
    "hitch",
    "incron",
    "influxdb",
    "influxdb-client",
    "inspircd",
    "iodine",
    "iptables",
    "iputils-ping",
    "jq",
    "kea-ctrl-agent",
    "kea-dhcp-ddns-server",
    "kea-dhcp4-server",
    "kea-dhcp6-server",
    "keepalived",
    "knot",
    "knot-dnsutils",
    "krb5-admin-server",
    "krb5-kdc",
    "krb5-user",
    "ldnsutils",
    "libapache2-mod-perl2",
    "libapache2-mod-php",
    "libcap2-bin",
    "libxml2-utils",
    "lsof",
    "mariadb-backup",
    "minidlna",
    "miniupnpc",
    "miniupnpd",
    "monitoring-plugins-basic",
    "mpc",
    "mpd",
    "munin",
    "munin-node",
    "ndppd",
    "netdata-core",
    "nghttp2-proxy",
    "nsd",
    "oddjob",
    "opendoas",
    "openssl",
    "pdns-backend-mysql",
    "pdns-recursor",
    "pdns-server",
    "pgbouncer",
    "php-cli",
    "php-fpm",
    "plocate",
    "privoxy",
    "prometheus",
    "prometheus-alertmanager",
    "prometheus-apache-exporter",
    "prometheus-bind-exporter",
    "prometheus-bird-exporter",
    "prometheus-blackbox-exporter",
    "prometheus-mysqld-exporter",
    "prometheus-nginx-exporter",
    "prometheus-pgbouncer-exporter",
    "prometheus-postfix-exporter",
    "prometheus-postgres-exporter",
    "prometheus-process-exporter",
    "prometheus-pushgateway",
    "prometheus-redis-exporter",
    "prometheus-smokeping-prober",
    "prometheus-snmp-exporter",
    "prometheus-sql-exporter",
    "prometheus-varnish-exporter",
    "prosody",
    "pv",
    "python3-memcache",
    "quota",
    "rabbitmq-server",
    "radicale",
    "radvd",
    "restic",
    "rspamd",
    "rsyslog",
    "shadowsocks-libev",
    "snapclient",
    "snapserver",
    "snmp",
    "snmpd",
    "socat",
    "spiped",
    "sqlite3",
    "ssh-audit",
    "sslh",
    "swaks",
    "syncthing",
    "systemd-container",
    "systemd-coredump",
    "systemd-journal-remote",
    "tang",
    "tcl",
    "tcpdump",
    "teeworlds-server",
    "tinyproxy",
    "transmission-daemon",
    "tuptime",
    "ucarp",
    "unbound-anchor",
    "uwsgi-core",
    "uwsgi-plugin-python3",
    "varnish",
    "webhook",
    "xandikos",
    "zookeeperd",
)

# Two security modules and their policies; the kernel's options say which of them is in force.
_SECURITY = ("apparmor", "policycoreutils", "selinux-policy-default", "selinux-utils")
# Servers from every corner for the tests of NixOS modules.
_SERVERS = (
    "aardvark-dns",
    "age",
    "apache2",
    "beanstalkd",
    "bind9",
    "bind9-dnsutils",
    "borgbackup",
    "caddy",
    "catatonit",
    "chrony",
    "containernetworking-plugins",
    "cron",
    "crun",
    "dnsmasq-base",
    "dovecot-imapd",
    "etcd-client",
    "etcd-server",
    "fail2ban",
    "git",
    "haproxy",
    "icecast2",
    "iperf3",
    "jq",
    "keepalived",
    "ldap-utils",
    "lighttpd",
    "logrotate",
    "mariadb-server",
    "memcached",
    "monit",
    "mosquitto",
    "mosquitto-clients",
    "nats-server",
    "netavark",
    "nfs-kernel-server",
    "nftables",
    "ngircd",
    "opensmtpd",
    "pamtester",
    "podman",
    "postgrey",
    "privoxy",
    "prometheus",
    "prometheus-blackbox-exporter",
    "prometheus-node-exporter",
    "prosody",
    "python3-systemd",
    "rabbitmq-server",
    "restic",
    "rsync",
    "samba",
    "slapd",
    "smbclient",
    "snmp",
    "snmpd",
    "squid",
    "stunnel4",
    "syncthing",
    "tor",
    "transmission-daemon",
    "unbound",
    "varnish",
    "vsftpd",
)

# Nix and what a machine needs to run it.
_NIX = (
    "ca-certificates",
    "dbus",
    "git",
    "libpam-systemd",
    "nix-bin",
    "nix-setup-systemd",
    "passwd",
    "procps",
    "python3",
    "systemd-sysv",
    "udev",
)

# What a host of practice has besides: other programs that write to /etc, and those that are particular about its files.
_HOSTS = (
    "apparmor",
    "cloud-init",
    "createrepo-c",
    "cron",
    "dnf",
    "e2fsprogs",
    "logrotate",
    "needrestart",
    "network-manager",
    "pamtester",
    "quota",
    "rpm",
    "rsyslog",
    "systemd-resolved",
    "ucf",
    "unattended-upgrades",
)

_REMOTE = ("fish", "fontconfig", "nftables", "nix-bin", "opendoas", "polkitd", "tcsh", "zsh")

ROOT_IMAGES = {
    "debian-12": RootImage("bookworm", _BASE),
    # What is reached from another machine: Nix, shells that are not bash, fonts, other ways to root, a packet filter.
    "debian-12-remote": RootImage("bookworm", (*_BASE, *_REMOTE)),
    # What clouds boot.
    "debian-12-cloud": RootImage("bookworm", (*_BASE, "cloud-init", "nix-bin")),
    "debian-12-hosts": RootImage("bookworm", (*_BASE, *_HOSTS)),
    "debian-12-security": RootImage("bookworm", (*_BASE, *_SECURITY)),
    "debian-12-services": RootImage("bookworm", (*_BASE, *_SERVICES)),
    "debian-12-more": RootImage("bookworm", (*_BASE, *_SERVICES, *_MORE)),
    "debian-12-servers": RootImage("bookworm", (*_BASE, *_SERVERS)),
    "debian-12-x11": RootImage("bookworm", (*_BASE, "x11-utils", "xvfb")),
    # A Nix for all users, and what modules of secrets decrypt with.
    "debian-12-nix": RootImage("bookworm", (*_BASE, "age", "gettext-base", "nix-bin", "nix-setup-systemd")),
    # What a distribution does not have: installed as its makers say.
    "debian-12-salt": RootImage(
        "bookworm", (*_BASE, "gcc", "libc6-dev", "python3-dev", "python3-venv"), ("salt==3008.3",)
    ),
    "debian-13": RootImage("trixie", _BASE),
    # Newer ones of it: 2.26, and what the next release of Debian will have.
    "debian-13-nix": RootImage("trixie", _NIX),
    "debian-14-nix": RootImage("forky", _NIX),
    # It has run0.
    "debian-13-remote": RootImage("trixie", (*_BASE, "polkitd")),
    "debian-13-servers": RootImage("trixie", (*_BASE, *_SERVERS)),
}
"""The roots that can be built from packages; `host` beside them is the running system."""


# Where a distribution has put its programs: all in one folder (Fedora 42), or / apart from /usr (Debian before 12).
ROOT_VARIANTS = {
    "debian-12-merged-sbin": RootVariant(
        "debian-12",
        """
        for file in usr/sbin/*; do
          if [ -e "usr/bin/${file##*/}" ]; then rm "$file"; else mv "$file" usr/bin/; fi
        done
        rmdir usr/sbin
        ln -s bin usr/sbin
        """,
    ),
    "debian-12-unmerged-usr": RootVariant(
        "debian-12",
        """
        for folder in bin sbin lib lib64; do
          rm $folder
          cp --archive --link usr/$folder $folder
        done
        rm -r usr/lib/systemd/system
        """,
    ),
}
"""The roots that are another one, changed."""


def root_of(image: str) -> Path:
    """Returns the root of an image, building it if it is not in the cache: about a minute, 400 MB, a Debian mirror."""
    if image == "host":
        return Path("/")
    if variant := ROOT_VARIANTS.get(image):
        base = root_of(variant.base)
        return cached(f"root-{image}", f"{base} {variant}", lambda path: _vary(base, variant, path)) / "root"
    if image not in ROOT_IMAGES:
        known = [*ROOT_IMAGES, *ROOT_VARIANTS]
        raise ValueError(f"there is no container image `{image}`; there are: host, {', '.join(known)}")
    wanted = ROOT_IMAGES[image]
    return cached(f"root-{image}", wanted.recipe(), lambda path: _build(wanted, path)) / "root"


def lacks_root(image: str) -> str | None:
    """Says what is missing for an image, and how to get it, or nothing. Reads only."""
    variant = ROOT_VARIANTS.get(image)
    name = variant.base if variant else image
    wanted = ROOT_IMAGES.get(name)
    if wanted is None or is_cached(f"root-{name}", wanted.recipe()) or shutil.which("mmdebstrap"):
        return None
    return f"mmdebstrap is not installed; run with: apt-get install mmdebstrap && vm-tests/run --image {image}"


def mirror() -> str:
    """Returns the Debian mirror that this machine uses, or the public one. MIRROR overrides it."""
    if given := os.environ.get("MIRROR"):
        return given
    for path in (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")):
        if path.is_file():
            found = re.search(r"^(?:URIs:|deb) +(https?://\S*debian)/?(?: |$)", path.read_text(), re.MULTILINE)
            if found:
                return found[1]
    return _DEFAULT_MIRROR


def sources(suite: str) -> list[str]:
    """Returns the apt sources of a stable suite, updates included."""
    base = mirror()
    return [
        f"deb {base} {suite} main",
        f"deb {base} {suite}-updates main",
        f"deb {base}-security {suite}-security main",
    ]


def _python_hooks(packages: tuple[str, ...]) -> list[str]:
    """Returns the options that install packages of PyPI, with the certificates that this machine trusts."""
    if not packages:
        return []
    trust = " ".join(f"{name}=/tmp/trusted" for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"))
    return [
        "--customize-hook=copy-in /etc/ssl/certs/ca-certificates.crt /tmp",
        '--customize-hook=mv "$1/tmp/ca-certificates.crt" "$1/tmp/trusted"',
        '--customize-hook=chroot "$1" python3 -m venv /usr/lib/pypi',
        f'--customize-hook={trust} chroot "$1" /usr/lib/pypi/bin/pip install --no-cache-dir {" ".join(packages)} >&2',
        '--customize-hook=rm "$1/tmp/trusted"',
    ]


def _build(image: RootImage, directory: Path) -> None:
    argv = [
        # It mounts /proc, /sys and more in the root: on a leash, none of them outlives a run that is killed.
        *LEASH,
        *("nice", "-n", "10", "mmdebstrap", "--quiet", "--variant=apt", "--mode=root", "--format=directory"),
        f"--include={','.join(image.packages)}",
        "--aptopt=APT::Install-Recommends false",
        # A mirror may be some days behind.
        "--aptopt=Acquire::Check-Valid-Until false",
        "--dpkgopt=force-unsafe-io",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        # Packages must not start what they install.
        "--essential-hook=printf '#!/bin/sh\\nexit 101\\n' >\"$1/usr/sbin/policy-rc.d\"",
        '--essential-hook=chmod 755 "$1/usr/sbin/policy-rc.d"',
        '--customize-hook=rm "$1/usr/sbin/policy-rc.d"',
        *_python_hooks(image.python),
        image.suite,
        str(directory / "root"),
        *sources(image.suite),
    ]
    done = run(argv, _BUILD_LIMIT, env=dict(os.environ))
    if done.status != 0:
        raise MachineError(f"building the root of {image.suite}: {done.errors[-2000:]}")
    if (directory / f"root{POLICY}").exists():
        _label(directory / "root")


def _vary(base: Path, variant: RootVariant, directory: Path) -> None:
    """Copies a root by hard links, as none is ever written to, and changes the copy."""
    script = f'cp --archive --link "$1" "$2/root" && cd "$2/root" && {{ {variant.script} }}'
    done = run(["sh", "-ec", script, "vary", str(base), str(directory)], _LABEL_LIMIT, env=dict(os.environ))
    if done.status != 0:
        raise MachineError(f"changing a copy of {base}: {done.errors[-2000:]}")


def _label(root: Path) -> None:
    """Labels all files by the root's own policy. setfiles does nothing at all without /proc."""
    script = f'mount -t proc proc "$1/proc" && chroot "$1" setfiles -F -q {POLICY} /'
    done = run([*LEASH, "sh", "-c", script, "label", str(root)], _LABEL_LIMIT, env=dict(os.environ))
    if done.status != 0:
        raise MachineError(f"labelling {root}: {done.errors[-2000:]}")
