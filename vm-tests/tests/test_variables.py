"""Variables of a configuration reach sessions as they are written, whatever is in them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from api.systemd_api import SystemdMachine
from program.host import Host

# What shells, systemd and PAM have a meaning for, each in the middle and at the end.
PLAIN = {
    "QUOTES": 'a "quoted" \'word\'"',
    "BACKQUOTES": "`id -un` and `",
    "BACKSLASH": "\\n is no newline \\",
    "TWO_LINES": "one\ntwo\n",
    "DOLLARS": "5$ $5 ${ $$ $",
    "BLANKS": "  two  \t",
    "HASH": "a # b @ {HOME} %h !! ;&|<>*?",
    "EMPTY": "",
    "LATE": "ü€",
}
EXPANDED = {"AT_HOME": "$HOME/x", "BRACED": "${HOME}/y", "LITERAL": "\\$HOME \\${HOME}"}
# These are for shells alone.
OF_SHELLS = {"FALLBACK": "${NO_SUCH_VARIABLE:-$HOME/z}", "COMMAND": "$(id -un)"}
# No line of environment.d(5) can hold these, or is empty, and none of pam_env.conf(5) those.
NOT_OF_SERVICES = {"TWO_LINES", "BLANKS", "EMPTY"}
NOT_OF_PAM = {"QUOTES", "BACKSLASH", "TWO_LINES", "HASH"}


def environment(text: str) -> dict[str, str]:
    """The variables of what `env -0` prints."""
    return dict(line.split("=", 1) for line in text.split("\0") if "=" in line)


def expected(home: str) -> dict[str, str]:
    return {**PLAIN, "AT_HOME": f"{home}/x", "BRACED": f"{home}/y", "LITERAL": "$HOME ${HOME}"}


def without(names: set[str]) -> dict[str, str]:
    return {name: value for name, value in expected("/home/vera").items() if name not in names}


def nix(values: dict[str, str]) -> str:
    """A set of strings in Nix."""
    text = {name: json.dumps(value, ensure_ascii=False).replace("${", "\\${") for name, value in values.items()}
    return "{ " + " ".join(f"{name} = {value};" for name, value in text.items()) + " }"


def test_variables_are_in_each_session_what_they_are_in_the_configuration(
    machine: SystemdMachine, tmp_path: Path
) -> None:
    host = Host(machine, tmp_path)
    host.switch(f"""
    {{ ... }}: {{
      environment.sessionVariables = {nix({**PLAIN, **EXPANDED})};
      environment.variables = {nix(OF_SHELLS)};
      users.users.vera = {{ isNormalUser = true; linger = true; }};
    }}
    """)

    def show(command: str, shown: str) -> dict[str, str]:
        found = environment(machine.succeed(command))
        names = [*PLAIN, *EXPANDED, *OF_SHELLS]
        return {name: found[name] for name in names if name in found} | ({"SHOWN": shown} if not found else {})

    shells = {**expected("/home/vera"), "FALLBACK": "/home/vera/z", "COMMAND": "vera"}
    tried = 0
    for shell in ["/bin/sh", "/bin/bash", "/bin/dash", "/bin/zsh"]:
        if machine.execute(f"test -x {shell}")[0] == 0:
            # Login shells of zsh read profile.d only where the distribution has them do so.
            command = ". /etc/profile.d/system-manager.sh; env -0"
            assert show(f"su - vera -s {shell} -c {shlex.quote(command)}", shell) == shells, shell
            tried += 1
    assert tried >= 2
    assert machine.succeed("su - vera -c 'echo $?'") == "0\n"
    assert show("su - vera -c 'env -0'", "login") == shells

    uid = machine.succeed("id -u vera").strip()
    machine.wait_for_unit(f"user@{uid}.service")
    become = f"XDG_RUNTIME_DIR=/run/user/{uid} setpriv --reuid vera --regid users --clear-groups"
    service = f"{become} systemd-run --user --pipe --wait -q env -0"
    assert show(service, "service") == without(NOT_OF_SERVICES)

    line = "session required pam_env.so conffile=/etc/pam/environment readenv=0"
    machine.succeed(f"cp -a /etc/pam.d/su /root/su; echo '{line}' >>/etc/pam.d/su")
    found = show("env -i PATH=$PATH su vera -s /bin/sh -c 'env -0'", "pam")
    machine.succeed("cp -a /root/su /etc/pam.d/su; rm /root/su")
    assert found == without(NOT_OF_PAM)
    host.run("deactivate")
