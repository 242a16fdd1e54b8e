"""The environment in which commands run: root's, as after a login."""

from __future__ import annotations

ENVIRONMENT = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "LOGNAME": "root",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "SHELL": "/bin/bash",
    "TERM": "dumb",
    "USER": "root",
}
"""All variables that the login starts from."""

_LOGIN = '[ ! -r /etc/profile ] || . /etc/profile; cd /tmp; exec bash -c "$1"'


def login_argv(script: str) -> list[str]:
    """Returns the command that runs a bash script in /tmp, with what /etc/profile sets."""
    return ["bash", "-c", _LOGIN, "login", script]
