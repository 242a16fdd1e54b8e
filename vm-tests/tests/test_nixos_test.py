"""Tests in NixOS's form: the forms that they have, what their scripts rely on, and how a run ends."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from program.host import PROJECT, VM_TESTS

_ON_THE_HOSTS_ROOT = ("--image", "host")


def _run(
    tmp_path: Path, test: str, *options: str, place: tuple[str, ...] = _ON_THE_HOSTS_ROOT, limit: float = 300
) -> subprocess.CompletedProcess[str]:
    """Runs a test, without a nixpkgs."""
    (tmp_path / "test.nix").write_text(test)
    argv = [sys.executable, str(VM_TESTS), "nixos_test", str(tmp_path / "test.nix"), *options, *place]
    common = ["--nixpkgs", "embedded", "-o", str(tmp_path / "out")]
    done = subprocess.run([*argv, *common], capture_output=True, text=True, timeout=limit, check=False)
    if done.returncode == 77 and "SKIPPED machines need" in done.stderr:
        pytest.skip(done.stderr.strip())
    return done


_NODE = """{ pkgs, ... }: {
    virtualisation.memorySize = 512;
    systemd.services.here = {
      wantedBy = [ "multi-user.target" ];
      serviceConfig = { Type = "oneshot"; RemainAfterExit = true; ExecStart = "${pkgs.coreutils}/bin/true"; };
    };
  }"""
_SCRIPT = """testScript = "machine.wait_for_unit('here')";"""

FORMS = {
    "a module": f'{{ name = "form"; nodes.machine = {_NODE}; {_SCRIPT} }}',
    "a function": f'{{ pkgs, lib, ... }}: {{ name = "form"; nodes.one = {_NODE}; {_SCRIPT} }}',
    "a function of the test": f"""{{ config, ... }}: {{
      name = "form";
      containers.c = {_NODE};
      testScript = "${{config.name}} = machine; form.wait_for_unit('here')";
    }}""",
    "nixpkgs's own function": f"""import ./make-test-python.nix ({{ pkgs, ... }}: rec {{
      name = "form"; common = {_NODE}; nodes = {{ machine = common; }}; {_SCRIPT}
    }})""",
    "one machine": f"""import ./make-test-python.nix {{ name = "form"; machine = {_NODE}; {_SCRIPT} }}""",
    "one of several": f"""{{ system ? "", config ? {{ }}, pkgs ? import ../.. {{ }} }}:
      with import ../lib/testing-python.nix {{ inherit system pkgs; }};
      {{
        first = makeTest {{ name = "first"; nodes.machine = {_NODE}; testScript = "raise Exception('not chosen')"; }};
        second = makeTest {{ name = "form"; nodes.machine = {_NODE}; {_SCRIPT} }};
      }}""",
}


@pytest.mark.parametrize("form", FORMS)
def test_form_is_read(tmp_path: Path, form: str) -> None:
    options = ["--test", "second"] if form == "one of several" else []
    done = _run(tmp_path, FORMS[form], "--build-only", *options)
    assert done.returncode == 0, done.stderr
    built = Path(done.stdout.strip())
    test = json.loads((built / "test.json").read_text())
    assert test["name"] == "form"
    [toplevel] = [machine["toplevel"] for machine in test["machines"].values()]
    assert "here.service" in json.loads((Path(toplevel) / "manifest.json").read_text())["units"]
    assert "wait_for_unit('here')" in (built / "test-script.py").read_text()


def test_example_of_the_guide_is_a_case() -> None:
    case = (VM_TESTS / "cases/host.nix").read_text().split("\n", 1)[1]
    assert f"```nix\n{case}```" in (PROJECT / "docs/testing.md").read_text()


WORLD = """
{ pkgs, ... }:
{
  name = "world";
  defaults = { pkgs, ... }: {
    environment.systemPackages = [ (pkgs.writeShellScriptBin "greet" "echo hello") ];
  };
  nodes.web = { config, nodes, pkgs, ... }: {
    virtualisation.vlans = [ 1 ];
    environment.etc."test/peer".text = nodes.other.networking.primaryIPAddress;
    environment.etc."test/content".text = "base";
    systemd.services.bad = { wantedBy = [ "multi-user.target" ]; serviceConfig.ExecStart = "/bin/false"; };
    specialisation.other.configuration = { lib, ... }: {
      environment.etc."test/content".text = lib.mkForce "other ${nodes.other.environment.etc."test/name".text}";
    };
    specialisation.apart = {
      inheritParentConfig = false;
      configuration = { config, pkgs, ... }: {
        environment.etc."test/apart".text = "${config.testing.name} ${pkgs.python3.interpreter}";
      };
    };
  };
  nodes.other = { config, ... }: {
    environment.etc."test/name".text = config.testing.name;
  };
  testScript = { nodes, ... }: let
    toplevel = nodes.web.config.system.build.toplevel;
    file = pkgs.writeText "data" "from the store";
  in ''
    start_all()
    with subtest("the network is there"):
        web.wait_for_unit("network.target")
        web.wait_for_unit("network-online.target")
    with subtest("what is installed"):
        assert web.succeed("greet") == "hello\\n"
        assert web.succeed("/run/current-system/sw/bin/greet") == "hello\\n"
        assert web.succeed("cat ${file}") == "from the store"
        assert web.succeed("pwd") == "/tmp\\n"
        assert web.succeed("cat /etc/test/peer") == "192.168.1.1"
        assert other.succeed("cat /etc/test/name") == "other"
    with subtest("a unit that fails does not end the test"):
        assert web.get_unit_property("bad.service", "ActiveState") == "failed"
    with subtest("specialisations"):
        web.succeed("${toplevel}/specialisation/other/bin/switch-to-configuration test >&2 || [ $? = 4 ]")
        assert web.succeed("cat /etc/test/content") == "other other"
        web.succeed("${nodes.web.system.build.toplevel}/bin/switch-to-configuration test >&2 || [ $? = 4 ]")
        web.succeed("/run/current-system/specialisation/other/bin/switch-to-configuration test >&2 || [ $? = 4 ]")
        assert web.succeed("cat /etc/test/content") == "other other"
        web.succeed("${toplevel}/specialisation/apart/bin/switch-to-configuration test >&2 || [ $? = 4 ]")
        web.fail("test -e /etc/test/content")
        assert web.succeed("cat /etc/test/apart") == "web /usr/bin/python3"
        other.succeed("${nodes.web.config.system.build.toplevel}/bin/switch-to-configuration check")
  '';
}
"""


def test_scripts_find_what_they_rely_on(tmp_path: Path) -> None:
    done = _run(tmp_path, WORLD, "--junit-xml", str(tmp_path / "junit.xml"))
    assert done.returncode == 0, done.stderr
    suite = ET.parse(tmp_path / "junit.xml").getroot()[0]
    parts = ("the network is there", "what is installed", "a unit that fails does not end the test", "specialisations")
    assert [case.get("name") for case in suite] == ["world", *parts]


@pytest.mark.parametrize(
    ("test", "code", "told"),
    [
        ('{ name = "t"; nodes.m = { }; testScript = "m.succeed(\'false\')"; }', 1, "command `false` failed"),
        ('{ name = "t"; nodes.m.nonsense = true; testScript = ""; }', 1, "nonsense"),
        (FORMS["one of several"], 1, "choose one with --test NAME: `first`, `second`"),
        ("{ }", 1, "holds no test"),
        ('import ./make-test.nix ({ ... }: { nodes.m = { }; testScript = ""; })', 77, "in Perl"),
        ('{ name = "t"; enableOCR = true; nodes.m = { }; testScript = ""; }', 77, "it reads the screen; run with: "),
        (
            '{ name = "t"; extraPythonPackages = _: [ { pname = "nowhere"; } ]; nodes.m = { }; testScript = ""; }',
            77,
            "pip install nowhere",
        ),
        (
            """{ name = "t"; nodes.m.environment.etc."nsswitch.conf".text = ""; testScript = "start_all()"; }""",
            1,
            "setting it up failed (exit code 1)",
        ),
    ],
)
def test_run_that_does_not_pass_says_why(tmp_path: Path, test: str, code: int, told: str) -> None:
    done = _run(tmp_path, test, "--junit-xml", str(tmp_path / "junit.xml"))
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    if (report := tmp_path / "junit.xml").exists():
        assert ET.parse(report).getroot()[0].get("failures") == "1"


_READS_SCREEN = """{
  name = "screen";
  enableOCR = true;
  nodes.machine.environment.etc."issue.test".text = "A line from the configuration\n";
  testScript = ''
    machine.succeed("systemctl stop getty@tty1.service; cat /etc/issue.test >/dev/tty1")
    machine.wait_for_text("line from the configuration")
    machine.send_chars("x")
    assert not any("never written" in text for text in machine.get_screen_text_variants())
  '';
}"""


@pytest.mark.kinds("qemu")
@pytest.mark.timeout(2400)
def test_script_reads_the_screen(tmp_path: Path, machine_kind: str, pytestconfig: pytest.Config) -> None:
    image = pytestconfig.getoption("--image")
    place = ("--kind", machine_kind, *(("--image", image) if image else ()))
    done = _run(tmp_path, _READS_SCREEN, place=place, limit=2000)
    if done.returncode == 77:
        pytest.skip(done.stderr.strip().splitlines()[-1].removeprefix("SKIPPED "))
    assert done.returncode == 0, done.stderr
