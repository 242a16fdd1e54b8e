"""The environment in which commands run: root's, as after a login."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

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

_SHELL = 'cd; exec "$@"'


def login_argv(script: str) -> list[str]:
    """Returns the command that runs a bash script in /tmp, with what /etc/profile sets."""
    return ["bash", "-c", _LOGIN, "login", script]


def shell_argv(search_path: Sequence[str], *, at_terminal: bool) -> list[str]:
    """Returns the command that is a login shell, on a terminal of its own or on what its input and output are."""
    shell = ["bash", "--login"]
    if search_path:
        # /etc/profile has said what PATH is.
        shell += ["-c", f'export PATH="$PATH":{shlex.quote(":".join(search_path))}; exec bash']
    return [*(["setsid", "--ctty"] if at_terminal else []), "sh", "-c", _SHELL, "login", *shell]
