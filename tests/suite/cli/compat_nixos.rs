//! One configuration here and on NixOS: on the small nixpkgs, and with a real one the examples.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::cli::compat::Desk;
use crate::cli::story::Ran;
use crate::needs::skip;
use crate::nix_fixture::own_store;

fn project(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// Compares a file with the same on NixOS.
fn compare(desk: &Desk, file: &Path, more: &[&str]) -> Ran {
    let arguments = ["--nixos", "--file", file.to_str().unwrap()];
    desk.run(&[&arguments, more].concat())
}

#[test]
fn a_configuration_is_evaluated_here_and_on_nixos() {
    let Some(desk) = Desk::begin() else { return };
    let host = project("tests/compat/both-ways/host.nix");
    let text = compare(&desk, &host, &[]).exits(0).stdout;
    for line in [
        "= unit storage.service: the same",
        "= unit apt-daily.timer: the same",
        "~ unit report.service: different",
        "    -[Service] ExecStart=/nix/store/host-storage/bin/storage report",
        "    +[Service] ExecStart=/nix/store/storage-15.0/bin/storage report",
        "= file report.conf: the same",
        "= user reporter: the same",
        "= tmpfiles rule d /srv/depth-1 - - - - -: the same",
    ] {
        assert!(text.lines().any(|l| l == line), "no {line:?} in\n{text}");
    }
    assert!(text.contains("\n\n6 the same, 1 different, "), "{text}");
    let both = compare(&desk, &host, &["--json"]).exits(0).json();
    assert_eq!(both["version"], json!(1));
    assert_eq!(
        both["units"]["equal"],
        json!(["apt-daily.timer", "storage.service"])
    );
    assert_eq!(both["groups"]["equal"], json!(["reporter"]));
    assert_eq!(both["assertions"], json!([]));
}

#[test]
fn a_configuration_of_a_flake_is_compared_as_well() {
    let Some(desk) = Desk::begin() else { return };
    let folder = desk.path("flake");
    fs::create_dir(&folder).unwrap();
    let flake = format!(
        "{{ outputs = _: {{ systemConfigs.web = (import {} {{ nixpkgs = {}; }}).lib.makeSystemConfig {{ modules = [ {} ]; }}; }}; }}",
        env!("CARGO_MANIFEST_DIR"),
        desk.nixpkgs().display(),
        project("tests/compat/both-ways/host.nix").display()
    );
    fs::write(folder.join("flake.nix"), flake).unwrap();
    let address = format!("{}#systemConfigs.web", folder.display());
    let output = desk.command(&["--nixos", "--flake", &address]).output();
    Ran::new(&output.unwrap())
        .exits(0)
        .says("= unit storage.service: the same")
        .says("6 the same, 1 different, ");
}

#[test]
fn what_only_one_side_has_is_shown_and_what_nixos_refuses() {
    let Some(desk) = Desk::begin() else { return };
    let host = desk.path("host.nix");
    let text = r#"{ config, lib, ... }: {
      systemd.services = lib.mkMerge [
        { both.serviceConfig.Nice = 3; }
        (lib.mkIf (config.nixos-compat.distribution == "nixos") { there.serviceConfig.Nice = 1; })
        (lib.mkIf (config.nixos-compat.distribution != "nixos") { here.serviceConfig.Nice = 2; })
      ];
      assertions = [ {
        assertion = config.nixos-compat.distribution != "nixos";
        message = "this is for Debian";
      } ];
      system-manager.blocks.hosts = "10.0.0.1 db\n";
    }"#;
    fs::write(&host, text).unwrap();
    compare(&desk, &host, &[])
        .exits(0)
        .says("= unit both.service: the same\n- unit here.service: only here\n+ unit there.service: only on NixOS\n")
        .says("! NixOS refuses it: this is for Debian\n")
        .never_says("root file system");
}

#[test]
fn a_configuration_that_nixos_can_not_evaluate_says_which_side_it_was() {
    let Some(desk) = Desk::begin() else { return };
    let host = desk.path("host.nix");
    fs::write(&host, "{ nix.settings.cores = 1; }").unwrap();
    compare(&desk, &host, &[])
        .exits(1)
        .says("The option `nix.settings' does not exist")
        .says("error: evaluating the configuration on NixOS: ")
        .says("hint: that NixOS may lack an option");
    fs::write(&host, "{ environment.nothing = 1; }").unwrap();
    compare(&desk, &host, &[])
        .exits(1)
        .says("error: evaluating the configuration for this host: ");
    let own = "{ system-manager }: derivation { name = \"x\"; system = \"x\"; builder = \"x\"; }";
    fs::write(&host, own).unwrap();
    compare(&desk, &host, &[])
        .exits(1)
        .says("the configuration gives a toplevel of its own, not modules");
    let bare = desk
        .command(&["--nixos", "--file", host.to_str().unwrap()])
        .output()
        .unwrap();
    Ran::new(&bare)
        .exits(1)
        .says("error: there is no nixpkgs to look at");
    desk.run(&["--nixos", "services/web"]).exits(2);
    desk.run(&["--file", "x"]).exits(2);
}

#[test]
fn a_comparison_builds_nothing() {
    let Some(desk) = Desk::begin() else { return };
    let host = desk.path("host.nix");
    let derivation =
        r#"derivation { name = "text"; system = builtins.currentSystem; builder = "/bin/sh"; }"#;
    // A store that happens to have the derivation, since an evaluation writes none.
    let instantiated = Command::new("nix-instantiate")
        .args(["-E", derivation])
        .env("NIX_REMOTE", own_store("compat-command-store"))
        .env("NIX_CONFIG", "build-users-group =\n")
        .output()
        .unwrap();
    assert!(instantiated.status.success());
    let text = format!("{{ environment.etc.built.text = builtins.readFile ({derivation}); }}");
    fs::write(&host, text).unwrap();
    compare(&desk, &host, &[])
        .exits(1)
        .says("'allow-import-from-derivation' is disabled")
        .never_says("building '");
}

#[test]
fn units_of_modules_are_compared_with_those_of_nixos() {
    let Some(desk) = Desk::begin() else { return };
    let modules = ["services/database/storage.nix", "services/misc/rotate.nix"];
    let survey = desk
        .run(&[&["--compare", "--json"][..], &modules].concat())
        .exits(0)
        .json();
    let compared = |at: usize| &survey["modules"][at]["compared"];
    assert_eq!(compared(0)["equal"], json!(["storage.service"]));
    assert_eq!(compared(1)["equal"], json!(["rotate.timer"]));
    assert_eq!(
        compared(1)["different"]["rotate.service"],
        json!({
            "ours": ["[Unit] After=local-fs.target"],
            "theirs": ["[Unit] After=syslog.target local-fs.target"],
        })
    );
    assert_eq!(survey["summary"]["compared"], json!(2));
    assert_eq!(survey["summary"]["same"], json!(1));
    desk.run(&[&["--compare"][..], &modules].concat())
        .exits(0)
        .says("units are the same as on NixOS")
        .says("as on NixOS     storage.service")
        .says("- on NixOS [Unit] After=syslog.target local-fs.target");
}

#[test]
fn examples_are_the_same_on_a_real_nixos() {
    let Some(desk) = Desk::begin() else { return };
    let Some(nixpkgs) = std::env::var_os("NIXPKGS") else {
        skip("no nixpkgs at hand (NIXPKGS=/path/of/nixpkgs cargo test --test suite cli::)");
        return;
    };
    let mut evaluated = Vec::new();
    for entry in fs::read_dir(project("examples")).unwrap() {
        let file = entry.unwrap().path();
        if file.extension() != Some("nix".as_ref()) {
            continue;
        }
        let mut command = desk.command(&["--nixos", "--json", "--file"]);
        command.arg(&file).arg("--nixpkgs").arg(&nixpkgs);
        let ran = Ran::new(&command.output().unwrap());
        // An old NixOS does not have all that ours gives a meaning.
        if ran.stderr.contains("' does not exist.") {
            continue;
        }
        let both: Value = ran.exits(0).json();
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let units = &both["units"];
        // The program of the distribution is nixpkgs's there.
        if name != "nginx.nix" {
            assert_eq!(units["different"], json!({}), "{name}");
        }
        assert_eq!(units["here"], json!([]), "{name}");
        assert_eq!(units["nixos"], json!([]), "{name}");
        assert_eq!(both["users"]["different"], json!({}), "{name}");
        assert_eq!(both["assertions"], json!([]), "{name}");
        evaluated.push(name);
    }
    for name in [
        "hello.nix",
        "nginx.nix",
        "operators.nix",
        "timer.nix",
        "users.nix",
    ] {
        assert!(
            evaluated.iter().any(|e| e == name),
            "{name} does not evaluate on NixOS; these do: {evaluated:?}"
        );
    }
}
