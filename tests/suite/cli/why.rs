//! `why`: who set what, and whose the rest is.

use std::fs;
use std::os::unix::fs::symlink;

use crate::cli::story::{Config, Test};

const PROVENANCE: &str = r#"{"version":1,
  "files":{"app.conf":[{"option":"environment.etc.app.conf.text","file":"/h/host.nix","line":7,"priority":50}]},
  "units":{},"userUnits":{},"users":{},"groups":{},"variables":{},"rules":{},"packages":{}}"#;

#[test]
fn says_who_set_a_file_without_nix() {
    let Some(t) = Test::begin() else { return };
    let toplevel = t.build(&Config::new().copy("app.conf", "0644", "x\n"));
    fs::write(toplevel.join("provenance.json"), PROVENANCE).unwrap();
    t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
    t.run(&["why", "/etc/app.conf"])
        .exits(0)
        .says("environment.etc.app.conf.text  /h/host.nix:7  (priority 50)");
    let answers = t.run(&["why", "/etc/app.conf", "--json"]).exits(0).json();
    assert_eq!(answers["answers"][0]["settings"][0]["line"], 7);
}

#[test]
fn says_whose_a_file_is_that_is_not_ours() {
    let Some(t) = Test::begin() else { return };
    t.activate(&Config::new().copy("old", "0644", "x\n"));
    t.write("etc/mine", "by hand\n");
    t.write("etc/play", "# Ansible managed\n");
    t.write("etc/puppet", "# This file is managed by Puppet\n");
    t.write("etc/cloud", "# Added by cloud-init\n");
    symlink("/nix/store/0-x/y", t.path("etc/link")).unwrap();
    for (path, owner) in [
        ("/etc/mine", "no package owns it"),
        ("/etc/play", "Ansible, according to its text"),
        ("/etc/puppet", "Puppet, according to its text"),
        ("/etc/cloud", "cloud-init, according to its text"),
        ("/etc/link", "another tool that links into the Nix store"),
        ("/etc/none", "there is no such file"),
        ("/etc/old", "built by an older version"),
    ] {
        t.run(&["why", path]).exits(0).says(owner);
    }
    t.run(&["why", "nothing.service"])
        .exits(1)
        .says("the active configuration contains nothing of this name");
}

#[test]
fn asks_the_distribution_for_the_package() {
    let Some(t) = Test::begin() else { return };
    t.write("etc/vendor.conf", "x\n");
    t.write(
        "var/lib/dpkg/info/vendor.list",
        "/.\n/etc\n/etc/vendor.conf\n",
    );
    t.write(
        "var/lib/dpkg/status",
        "Package: vendor\nStatus: install ok installed\nMaintainer: x\nArchitecture: all\nVersion: 1\nDescription: x\n",
    );
    t.run(&["why", "/etc/vendor.conf"])
        .exits(0)
        .says("the distribution's package vendor");
}
