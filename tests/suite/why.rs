//! `why` for each kind of thing that a configuration has, with both module libraries; and for what others have made.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::cli::story::{Config, Ran, Test};
use crate::needs::{lacks_nix, skip};
use crate::nix_fixture::{NIX_CONFIG, evaluated};

/// Something of each kind; what sets it is on the line that ends with its name as a comment.
const HOST: &str = r#"{ lib, pkgs, ... }:
{
  environment.etc.motd.text = "x\n"; # /etc/motd
  systemd.services.worker.script = "true"; # worker.service
  systemd.services.ssh.serviceConfig.Nice = 5; # ssh.service
  systemd.services.ssh.overrideStrategy = "asDropin";
  systemd.timers.tick.timerConfig.OnCalendar = "daily"; # tick.timer
  systemd.user.services.agent.script = "true"; # agent.service
  users.users.alice.isNormalUser = true; # alice
  users.groups.team.gid = 4711; # team
  systemd.tmpfiles.rules = [ "d /srv/app 0755 root root -" ];
  networking.hosts."192.0.2.10" = [ "db.example.org" ]; # db.example.org
  networking.extraHosts = "192.0.2.11 cache.example.org";
  environment.systemPackages = [ (pkgs.linkFarm "tool-one" [ ]) ];
  environment.variables.EDITOR = "nano"; # EDITOR
  system.activationScripts.greet.text = "true"; # greet
  networking.hostName = "web-1";
  system-manager.secrets.token.command = "true"; # token
  system-manager.healthChecks.answers.script = "true"; # answers
}
"#;

/// What is asked for, what it is, and the option that set it.
const KINDS: [(&str, &str, &str); 23] = [
    ("/etc/motd", "file /etc/motd", "environment.etc.motd.text"),
    (
        "worker.service",
        "unit worker.service",
        "systemd.services.worker.script",
    ),
    (
        "/etc/systemd/system/worker.service",
        "unit worker.service",
        "systemd.services.worker.script",
    ),
    (
        "ssh.service",
        "unit ssh.service",
        "systemd.services.ssh.serviceConfig.Nice",
    ),
    (
        "/etc/systemd/system/ssh.service.d/overrides.conf",
        "unit ssh.service",
        "systemd.services.ssh.serviceConfig.Nice",
    ),
    (
        "tick.timer",
        "unit tick.timer",
        "systemd.timers.tick.timerConfig.OnCalendar",
    ),
    (
        "agent.service",
        "user unit agent.service",
        "systemd.user.services.agent.script",
    ),
    ("alice", "user alice", "users.users.alice.isNormalUser"),
    ("team", "group team", "users.groups.team.gid"),
    (
        "/srv/app",
        "tmpfiles rule d /srv/app 0755 root root -",
        "systemd.tmpfiles.rules",
    ),
    (
        "db.example.org",
        "hosts line 192.0.2.10 db.example.org",
        "networking.hosts",
    ),
    (
        "192.0.2.10",
        "hosts line 192.0.2.10 db.example.org",
        "networking.hosts",
    ),
    (
        "cache.example.org",
        "hosts line 192.0.2.11 cache.example.org",
        "networking.extraHosts",
    ),
    (
        "/etc/hosts",
        "hosts line 192.0.2.11 cache.example.org",
        "networking.extraHosts",
    ),
    ("tool-one", "package tool-one", "environment.systemPackages"),
    ("EDITOR", "variable EDITOR", "environment.variables.EDITOR"),
    (
        "greet",
        "activation script greet",
        "system.activationScripts.greet",
    ),
    (
        "/etc/hostname",
        "host basics networking.hostName",
        "networking.hostName",
    ),
    (
        "token",
        "secret token",
        "system-manager.secrets.token.command",
    ),
    (
        "/run/system-manager/secrets/token",
        "secret token",
        "system-manager.secrets.token.command",
    ),
    (
        "answers",
        "health check answers",
        "system-manager.healthChecks.answers.script",
    ),
    (
        "systemd.services.worker",
        "option systemd.services.worker",
        "systemd.services.worker.script",
    ),
    (
        "users.users.alice.isNormalUser",
        "option users.users.alice.isNormalUser",
        "users.users.alice.isNormalUser",
    ),
];

/// Evaluates who set what, as the file of a toplevel has it.
fn provenance(t: &Test, file: &Path, nixpkgs: &str) -> String {
    let code = format!(
        "((import {} {{ nixpkgs = {nixpkgs}; }}).evalFile {{ file = {}; }}).config.system.build.provenance",
        env!("CARGO_MANIFEST_DIR"),
        file.display()
    );
    let flags = ["--readonly-mode", "--eval", "--strict", "--json", "-E"];
    evaluated(
        Command::new("nix-instantiate")
            .args(flags)
            .arg(&code)
            .env("NIX_CONFIG", NIX_CONFIG)
            .env("XDG_CACHE_HOME", t.beside("cache")),
    )
}

/// Asks for each kind of thing where this configuration is active.
fn asks_for_each_kind(nixpkgs: &str) {
    let Some(t) = Test::begin() else { return };
    let file = t.source("host.nix", HOST);
    let toplevel = t.build(&Config::new());
    fs::write(
        toplevel.join("provenance.json"),
        provenance(&t, &file, nixpkgs),
    )
    .unwrap();
    t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
    for (name, kind, option) in KINDS {
        let ran = t.run(&["why", name]).exits(0);
        let told = &ran.stdout;
        let of_kind = told.split_once(&format!("{kind}\n"));
        let (_, below) = of_kind.unwrap_or_else(|| panic!("{name}: no {kind}\n{told}"));
        let row = below
            .lines()
            .find(|row| row.trim_start().starts_with(option));
        let row = row.unwrap_or_else(|| panic!("{name}: not {option}\n{told}"));
        assert!(row.contains("sources/host.nix"), "{name}: {row}");
        // Elements of lists have no lines of their own.
        let comment = format!("# {name}");
        if let Some(n) = HOST.lines().position(|line| line.ends_with(&comment)) {
            assert!(
                row.contains(&format!("host.nix:{}", n + 1)),
                "{name}: {row}"
            );
        }
        let json = t.run(&["why", name, "--json"]).exits(0).json();
        assert!(json["answers"][0]["name"] != "motd", "{json}");
    }
    t.run(&[
        "why",
        "/etc/systemd/system/multi-user.target.wants/worker.service",
    ])
    .exits(0)
    .says("unit worker.service");
}

#[test]
fn each_kind_of_thing_is_explained_with_the_embedded_library() {
    if !lacks_nix() {
        asks_for_each_kind("null");
    }
}

#[test]
fn each_kind_of_thing_is_explained_with_nixpkgs() {
    let Some(nixpkgs) = std::env::var_os("NIXPKGS") else {
        return skip("NIXPKGS names no nixpkgs");
    };
    if !lacks_nix() {
        asks_for_each_kind(nixpkgs.to_str().unwrap());
    }
}

#[test]
fn rpm_is_asked_whose_a_file_is() {
    let Some(t) = Test::begin() else { return };
    if Command::new("rpmbuild").arg("--version").output().is_err() {
        return skip("there is no rpmbuild (apt-get install rpm)");
    }
    t.write("etc/vendor.conf", "x\n");
    let spec = t.source(
        "vendor.spec",
        "Name: vendor\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n%description\nx\n%install\nmkdir -p %{buildroot}/etc\necho x >%{buildroot}/etc/vendor.conf\n%files\n%config /etc/vendor.conf\n",
    );
    let top = t.beside("rpms");
    let built = Command::new("rpmbuild")
        .args(["-bb", "--quiet", "--define"])
        .arg(format!("_topdir {}", top.display()))
        .arg(&spec)
        .output()
        .unwrap();
    assert!(built.status.success(), "{built:?}");
    let installed = Command::new("rpm")
        .arg(format!("--root={}", t.root().display()))
        .args(["--install", "--nodeps", "--noscripts", "--replacefiles"])
        .arg(top.join("RPMS/noarch/vendor-1-1.noarch.rpm"))
        .output()
        .unwrap();
    assert!(installed.status.success(), "{installed:?}");
    let asked = t.command(&["why", "/etc/vendor.conf"]).output().unwrap();
    Ran::new(&asked)
        .exits(0)
        .says("file /etc/vendor.conf: the distribution's package vendor-1-1");
}
