"""Test scripts in the NixOS form: what they can name, and how their end is told."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from program.host import VM_TESTS

_WORDS = """
start_all()
machine.wait_for_unit("multi-user.target")
assert machine is web and machines == [web] and machines_nspawn == [web]
with subtest("a file"):
    web.succeed("touch /tmp/one")
    t.assertEqual(web.execute("ls /tmp/one")[1], "/tmp/one\\n")
with subtest("a retry"):
    retry(lambda last: web.execute("test -e /tmp/one")[0] == 0, timeout_seconds=10)
@polling_condition(seconds_interval=0)
def one_is_there():
    web.succeed("test -e /tmp/one")
with one_is_there:
    web.succeed("true")
web.succeed("rm /tmp/one")
try:
    with one_is_there:
        web.succeed("true")
except AssertionError:
    log.info("the condition was seen to fail")
else:
    raise Exception("the condition was not checked")
web.succeed("my-program >/tmp/out")
web.copy_from_machine("/tmp/out")
assert web.succeed("cat /etc/set-up") == "done\\n"
"""


def _drive(tmp_path: Path, script: str, machines: object = None, **config: object) -> subprocess.CompletedProcess[str]:
    (tmp_path / "script.py").write_text(script)
    whole = {"machines": machines or {"web": {}}, "test_script": str(tmp_path / "script.py"), **config}
    (tmp_path / "config.json").write_text(json.dumps(whole))
    arguments = ["-o", str(tmp_path / "out"), "--junit-xml", str(tmp_path / "junit.xml"), str(tmp_path / "config.json")]
    done = subprocess.run(
        [sys.executable, str(VM_TESTS), "driver", *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode == 77:
        pytest.skip(done.stderr.strip())
    return done


def test_machines_that_need_each_other_are_set_up_together(tmp_path: Path) -> None:
    asking = "for _ in $(seq 200); do curl -fsS http://server:8000/ >/dev/null && exit 0; sleep 0.1; done; exit 1"
    serving = "systemd-run --quiet python3 -m http.server --directory /srv 8000"
    machines = {"client": {"setup": asking}, "server": {"setup": serving}}
    done = _drive(tmp_path, "start_all()\nclient.succeed('true')", machines)
    assert done.returncode == 0, done.stderr


def test_setup_that_failed_is_no_success_whoever_caught_it(tmp_path: Path) -> None:
    script = """
try:
    web.start()
except Exception:
    pass
"""
    for more in ("", "web.succeed('true')", "web.fail('false')"):
        done = _drive(tmp_path, script + more, {"web": {"setup": "false"}})
        assert done.returncode == 1, done.stderr
        assert "web: it was not set up: " in done.stderr


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("nowhere.json", "the configuration is not there: nowhere.json"),
        ({"machines": {"m": {"kind": "vm"}}}, "there is no kind of machine `vm`; there are: container, uml, qemu"),
    ],
)
def test_configuration_that_can_not_be_is_wrong_usage(tmp_path: Path, config: object, told: str) -> None:
    if not isinstance(config, str):
        (tmp_path / "config.json").write_text(json.dumps(config))
    argv = [sys.executable, str(VM_TESTS), "driver", config if isinstance(config, str) else "config.json"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_words_of_a_script_work(tmp_path: Path) -> None:
    setup = "mkdir -p /opt/bin; printf '#!/bin/sh\\necho ran\\n' >/opt/bin/my-program; chmod +x /opt/bin/my-program"
    options = {"setup": f"{setup}; echo done >/etc/set-up", "search_path": ["/opt/bin"]}
    done = _drive(tmp_path, _WORDS, {"web": options})
    assert done.returncode == 0, done.stderr
    assert "the condition was seen to fail" in done.stderr
    assert (tmp_path / "out" / "out").read_text() == "ran\n"
    suite = ET.parse(tmp_path / "junit.xml").getroot()[0]
    assert [case.get("name") for case in suite] == ["script", "a file", "a retry"]
    assert suite.get("failures") == "0"


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("machine.succeed('exit 3')", "failed (exit code 3)"),
        ("assert machine.execute('echo x')[1] == 'y'", "AssertionError"),
        ("import sys; sys.exit(0)", "left with `exit(0)`"),
        ("machine.connect(); machine._process.kill(); machine._process.wait()", "did not: web"),
        ("machine.succeed(", "SyntaxError"),
        ("with subtest('part'):\n    machine.fail('true')", "unexpectedly succeeded"),
    ],
)
def test_scripts_that_do_not_end_well_fail(tmp_path: Path, script: str, told: str) -> None:
    done = _drive(tmp_path, script)
    assert done.returncode == 1
    assert told in done.stderr
    assert int(ET.parse(tmp_path / "junit.xml").getroot()[0].get("failures") or 0) >= 1


def test_script_is_stopped_at_the_global_limit(tmp_path: Path) -> None:
    done = _drive(tmp_path, "while True: machine.execute('true')", global_timeout=2)
    assert done.returncode == 1
    assert "did not end within 2 seconds" in done.stderr


def test_shell_and_prompt_are_left(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("machines need root; run with: sudo vm-tests/run test_script.py")
    driver = [sys.executable, str(VM_TESTS), "driver", "-o", str(tmp_path)]
    shell = subprocess.run([*driver, "--shell"], input="cat /proc/1/comm\n", capture_output=True, text=True, timeout=60)
    assert shell.stdout.strip().endswith("systemd")
    prompt = subprocess.run(
        [*driver, "--interactive"],
        input="print(machine.succeed('cat /proc/1/comm'))\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "systemd" in prompt.stdout


def test_several_machines_have_no_default(tmp_path: Path) -> None:
    done = _drive(tmp_path, "one_1.succeed('true'); two.succeed('true'); machine", {"one-1": {}, "two": {}})
    assert done.returncode == 1
    assert "name 'machine' is not defined" in done.stderr


_TALK = """
start_all()
server.execute("exec python3 -m http.server 8000", check_output=False)
server.wait_for_open_port(8000)
client.succeed("curl -fsS http://server:8000/")
server.block()
client.fail("curl -fsS --max-time 2 http://server:8000/")
server.unblock()
client.wait_until_succeeds("curl -fsS --max-time 2 http://server:8000/", timeout=30)
"""


_ORDER = """
server.execute("python3 -m http.server 8000 2>/tmp/asked", check_output=False)
server.wait_for_open_port(8000)
client.start()
server.succeed("grep --quiet client-is-here /tmp/asked")
assert not never_started.started
"""


def test_machine_is_set_up_when_the_script_starts_it(tmp_path: Path) -> None:
    ask = "curl -sS http://server:8000/client-is-here"
    done = _drive(tmp_path, _ORDER, {"client": {"setup": ask}, "never-started": {"setup": "false"}, "server": {}})
    assert done.returncode == 0, done.stderr


def test_several_machines_have_a_network(tmp_path: Path) -> None:
    done = _drive(tmp_path, _TALK, {"server": {}, "client": {}})
    assert done.returncode == 0, done.stderr


def test_script_ends_with_the_verdict(tmp_path: Path) -> None:
    # What the setup has done counts, too: the baseline is from before it.
    setup = "systemd-run --wait --unit=bad /bin/false || true; useradd --no-create-home --home /nowhere person"
    done = _drive(tmp_path, "web.succeed('echo changed >>/etc/skel/.profile')", {"web": {"setup": setup}})
    assert done.returncode == 0, done.stderr
    told = "failed unit: bad.service", "changed conffile: /etc/skel/.profile", "'/nowhere' does not exist"
    assert [line for line in told if not re.search(f"web: warning: .*{re.escape(line)}", done.stderr)] == []

    done = _drive(tmp_path, "web.succeed('echo broken:x:12345:54321::/:/bin/sh >>/etc/passwd')")
    assert done.returncode == 1
    assert "web: the verdict" in done.stderr
    assert "pwck: user 'broken': no group 54321" in done.stderr
