"""What programs of nixpkgs look for is there: variables in every shell and session, completions, fonts, drivers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from images.rootimage import lacks_root
from judges.snapshot import ACCOUNT_BACKUPS, SUBID_BACKUPS, assert_same, take_snapshot
from program.host import Host

IMAGE = "debian-12-remote"
SW = "/run/system-manager/sw"
OWN = "/etc/profiles/per-user/vera"
WANTED = {
    "LOCALE_ARCHIVE": "/usr/lib/locale/locale-archive",
    "NIX_SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
    "TZDIR": "/usr/share/zoneinfo",
    "NIX_PROFILES": f"{SW} /nix/var/nix/profiles/default /home/vera/.nix-profile",
}

CONFIGURATION = """
{ pkgs, ... }:
let
  frob = pkgs.runCommand "frob" { } ''
    mkdir -p $out/bin $out/share/zsh/site-functions $out/share/fish/vendor_completions.d
    printf '#!/bin/sh\\n' >$out/bin/frob
    chmod 755 $out/bin/frob
    printf '#compdef frob\\ncompadd --  --frobnicate\\n' >$out/share/zsh/site-functions/_frob
    echo 'complete --command frob --long-option frobnicate' >$out/share/fish/vendor_completions.d/frob.fish
  '';
in
{
  system-manager.nixPrograms = { enable = true; shells = [ "fish" "zsh" ]; };
  environment.systemPackages = [ frob ];
  environment.variables.GREETING = "it's $HOME";
  users.users.vera = { isNormalUser = true; linger = true; packages = [ pkgs.gnugrep ]; };
  fonts.packages = [ "/srv/fonts" ];
  fonts.fontconfig.defaultFonts.monospace = [ "DejaVu Serif" ];
  systemd.services.clock = { script = "env >/run/clock"; wantedBy = [ "multi-user.target" ]; };
  systemd.services.clock.serviceConfig.Type = "oneshot";
}
"""


@pytest.fixture
def host(make_machine: Callable[..., SystemdMachine], tmp_path: Path) -> Host:
    """A host with shells that are not bash, and with fonts."""
    if lacking := lacks_root(IMAGE):
        pytest.skip(lacking)
    return Host(make_machine(image=IMAGE), tmp_path)


def _variables(text: str, separator: str = "\n") -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.split(separator) if "=" in line)


def test_programs_of_nixpkgs_find_what_the_distribution_has(host: Host) -> None:
    machine = host.machine
    machine.succeed("mkdir -p /srv/fonts && cp /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf /srv/fonts/")
    before = take_snapshot(machine)
    host.switch(CONFIGURATION)

    for shell in ("bash", "zsh", "fish"):
        log_in = f"runuser -u vera -- env -i HOME=/home/vera USER=vera PATH=/usr/bin:/bin {shell} -l -c"
        found = _variables(machine.succeed(f"cd / && {log_in} 'env -0'"), "\0")
        assert {name: found.get(name) for name in WANTED} == WANTED, (shell, found)
        assert found["GREETING"] == "it's /home/vera", shell
        assert found["PATH"].split(":").count(f"{SW}/bin") == 1, (shell, found["PATH"])
        data = found["XDG_DATA_DIRS"].split(":")
        assert data.count(f"{SW}/share") == 1 and "/usr/share" in data, (shell, data)
        assert machine.succeed(f"cd / && {log_in} 'command -v frob'").strip() == f"{SW}/bin/frob"
        assert machine.succeed(f"cd / && {log_in} 'command -v grep'").strip() == f"{OWN}/bin/grep", shell
        assert f"{OWN}/share" in data, (shell, data)
    # Services of users, and units of the configuration.
    manager = "systemctl --user --machine=vera@ show-environment"
    managed = _variables(machine.succeed(manager))
    assert managed.items() >= {name: value for name, value in WANTED.items() if " " not in value}.items()
    assert managed["PATH"].split(":")[:2] == [f"{OWN}/bin", f"{SW}/bin"], managed["PATH"]
    assert f"{SW}/share" in managed["XDG_DATA_DIRS"].split(":"), managed["XDG_DATA_DIRS"]
    shown = "runuser -u vera -- env XDG_RUNTIME_DIR=/run/user/$(id -u vera) systemd-run --user --pipe --wait -q"
    assert machine.succeed(f"cd / && {shown} sh -c 'command -v frob; command -v grep'").split() == [
        f"{SW}/bin/frob",
        f"{OWN}/bin/grep",
    ]
    service = _variables(machine.succeed("cat /run/clock"))
    assert service["NIX_SSL_CERT_FILE"] == WANTED["NIX_SSL_CERT_FILE"] and "NIX_PROFILES" not in service

    # Completions of packages, in shells that are no login shells, too.
    said = machine.succeed("""su vera --shell /usr/bin/fish --command 'complete --do-complete "frob --frob"'""")
    assert "--frobnicate" in said, said
    said = machine.succeed(
        "su vera --shell /usr/bin/zsh --command 'autoload -Uz compinit; compinit -u; echo $_comps[frob]'"
    )
    assert said.strip() == "_frob", said

    # Fonts of the configuration, and the ones that stand for a family.
    assert "/srv/fonts/DejaVuSans.ttf" in machine.succeed("fc-list")
    assert "DejaVuSerif.ttf" in machine.succeed("fc-match monospace")

    host.run("deactivate")
    assert_same(before, take_snapshot(machine), [*ACCOUNT_BACKUPS, *SUBID_BACKUPS])
    assert "/srv/fonts" not in machine.succeed("fc-list")


def test_a_plan_names_the_version_of_nvidias_driver_that_is_needed(host: Host) -> None:
    machine = host.machine
    # As the kernel says it; this one has no such card.
    root = "/root/host"
    machine.succeed(f"mkdir -p {root}/sys/module/nvidia {root}/etc && echo 550.54.14 >{root}/sys/module/nvidia/version")
    drivers = """
      {{ pkgs, ... }}: {{
        systemd.tmpfiles.settings.graphics-driver."/run/opengl-driver"."L+".argument =
          "${{pkgs.runCommand "graphics-drivers" {{ }} "mkdir -p $out/lib; touch $out/lib/{library}"}}";
      }}
    """
    told = {
        "libEGL_mesa.so.0": "has none of it",
        "libnvidia-glcore.so.535.1.2": "has its libraries of version 535.1.2",
        "libnvidia-glcore.so.550.54.14": "",
    }
    for library, said in told.items():
        toplevel = host.bring(drivers.format(library=library))
        plan = host.run("plan", toplevel, "--root", root)
        assert ("warning: the kernel runs NVIDIA's driver 550.54.14" in plan) == bool(said), plan
        assert said in plan, plan
        told_again = host.json("plan", toplevel, "--root", root)
        assert len(told_again.get("warnings", [])) == bool(said), json.dumps(told_again)
    # Where the kernel has no such driver, nothing is said.
    assert "NVIDIA" not in host.run("plan", toplevel)
