//! Who comes from numtide/system-manager finds its commands, flags, options and attributes here, and its tests as ours.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use clap::Parser;
use system_manager::face::cli::Cli;

use crate::needs::{lacks_nix, skip};
use crate::nix_fixture::{NIX_CONFIG, evaluated, own_store};

/// Command lines of its manual and of its program's own help: each command with each flag that it takes.
const COMMANDS: [&str; 41] = [
    "init",
    "init /home/alice/system-manager",
    "init --path=/home/alice/system-manager",
    "init --no-flake",
    "switch",
    "switch --flake .",
    "switch --flake .#web --refresh",
    "switch --flake . --ephemeral",
    "switch --flake . --sudo",
    "switch --flake . --ask-sudo-password",
    "switch --flake github:owner/repo#host --sudo --target-host root@web",
    "--target-host root@web switch --flake . --sudo",
    "--use-remote-sudo switch --flake .",
    "--nix-option cores 2 switch --flake .",
    "switch --flake . --nix-option cores 2 --nix-option max-jobs 1",
    "--verbose switch --flake .",
    "switch -v --flake .",
    "build",
    "build --flake .",
    "build --flake . --refresh --nix-option cores 2",
    "build --flake . --target-host root@web",
    "register --flake .",
    "register --flake . --refresh",
    "register --store-path /nix/store/x",
    "register --store-path /nix/store/x --sudo",
    "register --flake . --target-host root@web --ask-sudo-password",
    "register --flake . --nix-option cores 2",
    "generate --flake .",
    "pre-populate --flake .",
    "pre-populate --flake . --refresh",
    "pre-populate --store-path /nix/store/x",
    "pre-populate --store-path /nix/store/x --ephemeral",
    "pre-populate --flake . --sudo --target-host root@web",
    "pre-populate --flake . --ask-sudo-password",
    "activate --store-path /nix/store/x",
    "activate --store-path /nix/store/x --ephemeral",
    "activate --store-path /nix/store/x --sudo",
    "deactivate",
    "deactivate --store-path /nix/store/x",
    "deactivate --sudo --target-host root@web",
    "deactivate --ask-sudo-password",
];

#[test]
fn every_command_line_of_upstream_is_understood() {
    let mut wrong = Vec::new();
    let spaced = [
        "--ssh-option",
        "-o ProxyJump=relay@bastion",
        "--ssh-option",
        "-p 2222",
    ];
    let host = ["--target-host", "user@host"];
    let lines = COMMANDS.map(|line| line.split(' ').collect::<Vec<_>>());
    let with_ssh = [
        [&host[..], &spaced, &["switch", "--flake", ".", "--sudo"]].concat(),
        [&["switch", "--flake", "."], &host[..], &spaced].concat(),
    ];
    for line in lines.into_iter().chain(with_ssh) {
        let words = ["system-manager"].iter().chain(&line);
        if let Err(error) = Cli::try_parse_from(words) {
            wrong.push(format!("{line:?}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Evaluates an expression strictly.
fn evaluate(expression: &str) -> serde_json::Value {
    evaluated(
        Command::new("nix-instantiate")
            .args(["--eval", "--strict", "--json", "-E", expression, "--store"])
            .arg(own_store("moving-over-store"))
            .env("NIX_CONFIG", NIX_CONFIG),
    )
}

#[test]
fn modules_are_given_the_arguments_that_upstream_gives_them() {
    if lacks_nix() {
        return;
    }
    let expression = format!(
        r#"
        let
          api = import {project} {{ nixpkgs = {project}/tests/compat/nixpkgs; activator = "{program}"; }};
          host = arguments: api.lib.makeSystemConfig ({{
            overlays = [ (final: previous: {{ mine = "overlay"; }}) ];
            modules = [ ({{ lib, pkgs, config, options, utils, nixosModulesPath, system-manager, given, ... }}: {{
              nixpkgs.hostPlatform = "x86_64-linux";
              environment.etc.given.text = given;
              environment.etc.overlay.text = pkgs.mine;
              environment.etc.program.source = "${{system-manager}}/bin/system-manager";
              environment.etc.rest.text = builtins.toJSON [
                (lib.isFunction utils.escapeSystemdPath) (options ? environment) (builtins.pathExists nixosModulesPath)
                config.nixpkgs.hostPlatform.system
              ];
            }}) ];
          }} // arguments);
          by = arguments: (host arguments).config.environment.etc;
          new = host {{ specialArgs.given = "special"; }};
        in
        {{
          special = new.config.environment.etc.given.text;
          extra = (by {{ extraSpecialArgs.given = "extra"; }}).given.text;
          own = (by {{ specialArgs = {{ given = ""; system-manager = "/mine"; }}; }}).program.source;
          overlay = new.config.environment.etc.overlay.text;
          program = builtins.match ".*-system-manager-[^/]*/bin/system-manager" (toString new.config.environment.etc.program.source) != null;
          rest = builtins.fromJSON new.config.environment.etc.rest.text;
          build = builtins.attrNames new.config.build;
          toplevel = new.config.build.toplevel.drvPath == new.drvPath && new.options ? environment;
          entries = builtins.attrNames new.config.build.etc.entries;
        }}
        "#,
        project = env!("CARGO_MANIFEST_DIR"),
        program = env!("CARGO_BIN_EXE_system-manager"),
    );
    assert_eq!(
        evaluate(&expression),
        serde_json::json!({
            "special": "special", "extra": "extra", "own": "/mine/bin/system-manager", "overlay": "overlay", "program": true,
            "rest": [true, true, true, "x86_64-linux"], "build": ["etc", "scripts", "services", "toplevel"],
            "toplevel": true, "entries": ["given", "overlay", "program", "rest"],
        })
    );
}

#[test]
fn nix_that_is_enabled_by_name_takes_the_place_of_the_installer_s_settings() {
    if lacks_nix() {
        return;
    }
    for (enable, replaces) in [("nix.enable = true;", true), ("", false)] {
        let expression = format!(
            r#"(import {} {{ }}).lib.makeSystemConfig {{
              modules = [ {{ nixpkgs.hostPlatform = "x86_64-linux"; nix.settings.cores = 2; {enable} }} ];
            }}"#,
            env!("CARGO_MANIFEST_DIR"),
        );
        let entry = r#".config.environment.etc."nix/nix.conf".replaceExisting"#;
        assert_eq!(
            evaluate(&format!("({expression}){entry}")),
            serde_json::json!(replaces)
        );
    }
}

#[test]
fn a_file_is_a_module_also_when_it_asks_for_the_program() {
    if lacks_nix() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("host.nix");
    for (text, of) in [
        (
            "{ pkgs, system-manager, ... }: { environment.etc.x.text = \"module\"; }",
            "module",
        ),
        (
            "{ system-manager, ... }: { environment.etc.x.text = \"module\"; }",
            "module",
        ),
        (
            "{ system-manager }: system-manager.lib.makeSystemConfig { modules = [ { environment.etc.x.text = \"function\"; } ]; }",
            "function",
        ),
    ] {
        fs::write(&file, text).unwrap();
        let expression = format!(
            "(import {} {{ activator = {:?}; file = {:?}; }}).toplevel.config.environment.etc.x.text",
            env!("CARGO_MANIFEST_DIR"),
            env!("CARGO_BIN_EXE_system-manager"),
            file
        );
        assert_eq!(evaluate(&expression), serde_json::json!(of), "{text}");
    }
}

/// The options that it documents, each a line; those of newer NixOS modules that it imports are among them.
const OPTIONS: &str = "tests/fixtures/upstream-options.txt";

#[test]
fn no_option_of_upstream_is_missing() {
    if lacks_nix() {
        return;
    }
    let Some(nixpkgs) = std::env::var_os("NIXPKGS") else {
        skip("no nixpkgs at hand (NIXPKGS=/path/of/nixpkgs cargo test --test suite moving_over::)");
        return;
    };
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let expression = format!(
        r#"
        let
          api = import {project} {{ nixpkgs = {nixpkgs}; }};
          host = api.lib.evalSystemConfig {{ name = "host"; modules = [ {{ nixpkgs.hostPlatform = "x86_64-linux"; }} ]; }};
          lines = text: builtins.filter (line: builtins.isString line && line != "") (builtins.split "\n" text);
          parts = name: builtins.filter builtins.isString (builtins.split "[.]" name);
          isName = part: part == "*" || builtins.match "<.*>" part != null;
          # Below an option is what its type has, by any name; where that has no options, it takes everything.
          has = path: at:
            path == [ ]
            || (if at._type or "" == "option" then
              isOfType path (at.type.getSubOptions [ ])
            else
              builtins.isAttrs at && at ? ${{builtins.head path}} && has (builtins.tail path) at.${{builtins.head path}});
          isOfType = path: below:
            path == [ ]
            || (if isName (builtins.head path) then isOfType (builtins.tail path) below
            else removeAttrs below [ "_module" ] == {{ }} || below ? _freeformOptions || has path below);
          all = lines (builtins.readFile {project}/{OPTIONS});
        in
        {{ count = builtins.length all; missing = builtins.filter (name: !has (parts name) host.options) all; }}
        "#,
        project = project.display(),
        nixpkgs = Path::new(&nixpkgs).display(),
    );
    let found = evaluate(&expression);
    assert_eq!(found["missing"], serde_json::json!([]));
    assert!(found["count"].as_u64() >= Some(700), "{found}");
}

/// The tests of upstream, by the names of their files.
const TESTS: [&str; 27] = [
    "auto-upgrade",
    "empty-config",
    "environment-variables",
    "etc-files-with-glob",
    "example (container)",
    "example (VM)",
    "existing-files",
    "existing-group-members",
    "extra-init",
    "home-manager",
    "masked-units",
    "nix-enabled",
    "prepopulate",
    "restart-if-changed",
    "security-wrappers",
    "sops-ssh-key",
    "ssh",
    "state-v0-v1-activate-migration",
    "state-v0-v1-deactivate-migration",
    "stop-on-removal",
    "sudo",
    "sudo-module",
    "system-checks",
    "system-path",
    "systemd-packages",
    "target-host",
    "user-packages",
];

#[test]
fn every_test_of_upstream_has_one_of_ours() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(project.join("docs/moving-over.md")).unwrap();
    let (_, table) = page.split_once("<!-- tests -->").unwrap();
    let (table, _) = table.split_once("<!-- /tests -->").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(2);
    let rows: Vec<Vec<&str>> = rows
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let named: BTreeSet<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(named, BTreeSet::from(TESTS));
    let sources = tests_of(project);
    for row in &rows {
        let ours: Vec<&str> = row[1].split('`').skip(1).step_by(2).collect();
        assert!(!ours.is_empty(), "{row:?}");
        for name in ours {
            let is_there = [format!("fn {name}("), format!("def {name}(")]
                .iter()
                .any(|definition| sources.contains(definition));
            assert!(is_there, "{name}, which {} is to be, is no test", row[0]);
        }
    }
}

/// The text of all tests.
fn tests_of(project: &Path) -> String {
    let folders = ["tests/suite", "vm-tests/tests", "src"];
    let files = folders
        .iter()
        .flat_map(|folder| walkdir::WalkDir::new(project.join(folder)))
        .map(Result::unwrap)
        .filter(|entry| {
            let extension = entry.path().extension();
            extension.is_some_and(|e| e == "rs" || e == "py")
        });
    files
        .map(|entry| fs::read_to_string(entry.path()).unwrap())
        .collect()
}
