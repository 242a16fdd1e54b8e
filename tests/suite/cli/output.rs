//! What machines read: exit codes of plans, JSON, completions and the manual.

use serde_json::json;

use crate::cli::scripts::install_text;
use crate::cli::story::{Config, Test};

#[test]
fn the_exit_code_of_a_plan_says_whether_there_are_changes() {
    let Some(t) = Test::begin() else { return };
    let toplevel = t.build(&Config::new().copy("a", "0644", "1\n"));
    let detailed = [
        "plan".as_ref(),
        "--detailed-exitcode".as_ref(),
        toplevel.as_os_str(),
    ];
    t.run(&detailed)
        .exits(10)
        .says("+ /etc/a")
        .says("Plan: 1 to add, 0 to change, 0 to remove.");
    t.run(&["plan".as_ref(), toplevel.as_os_str()]).exits(0);
    t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
    t.run(&detailed).exits(0).says("No changes");
    t.run(&["plan", "--deactivate", "--detailed-exitcode"])
        .exits(10)
        .says("- /etc/a");
    t.write("etc/b", "theirs\n");
    let conflict = t.build(&Config::new().copy("b", "0644", "ours\n"));
    t.run(&[
        "plan".as_ref(),
        "--detailed-exitcode".as_ref(),
        conflict.as_os_str(),
    ])
    .exits(1);
}

#[test]
fn json_is_versioned_and_alone_on_standard_output() {
    let Some(t) = Test::begin() else { return };
    t.write("etc/b", "theirs\n");
    let config = Config::new()
        .copy("a", "0644", "1\n")
        .copy("b", "0644", "ours\n")
        .replacing();
    let toplevel = t.build(&config);
    let plan = t
        .run(&["--json".as_ref(), "plan".as_ref(), toplevel.as_os_str()])
        .exits(0)
        .json();
    assert_eq!(plan["version"], json!(1));
    assert_eq!(plan["goal"]["activate"], json!(toplevel));
    let verbs: Vec<_> = plan["files"]["writes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| &w["verb"])
        .collect();
    assert_eq!(verbs, [&json!("add"), &json!("change")]);

    t.run(&["register".as_ref(), toplevel.as_os_str()]).exits(0);
    let outcome = t.run(&["--json", "activate"]).exits(0).json();
    assert_eq!(outcome["version"], json!(1));
    assert_eq!(outcome["summary"]["add"], json!(1));
    assert_eq!(outcome["summary"]["change"], json!(1));

    t.write("etc/a", "edited\n");
    let status = t.run(&["--json", "status"]).exits(0).json();
    assert_eq!(status["version"], json!(1));
    assert_eq!(status["active"], json!(toplevel));
    assert_eq!(status["generation"], json!(1));
    assert_eq!(status["drift"], json!({ "/etc/a": "changed" }));
    assert!(status["backups"]["/etc/b"].is_string());

    let refused = t.build(&Config::new().copy("os-release", "0644", "x\n"));
    let plan = t
        .run(&["--json".as_ref(), "activate".as_ref(), refused.as_os_str()])
        .exits(1)
        .json();
    assert_eq!(plan["conflicts"][0]["subject"], json!("/etc/os-release"));
}

#[test]
fn generations_are_listed_as_json() {
    let Some(t) = Test::begin() else { return };
    t.switch(&Config::new().copy("a", "0644", "1\n"));
    t.switch(&Config::new().copy("a", "0644", "2\n"));
    let list = t.run(&["--json", "generations"]).exits(0).json();
    let generations = list["generations"].as_array().unwrap();
    assert_eq!(list["version"], json!(1));
    assert_eq!(generations.len(), 2);
    assert_eq!(generations[1]["number"], json!(2));
    assert_eq!(generations[1]["current"], json!(true));
    assert_eq!(generations[0]["current"], json!(false));
}

#[test]
fn quiet_says_only_the_result_and_colours_are_asked_for() {
    let Some(t) = Test::begin() else { return };
    let toplevel = t.build(&Config::new().copy("a", "0644", "1\n"));
    let plan = t.run(&[
        "--color".as_ref(),
        "always".as_ref(),
        "plan".as_ref(),
        toplevel.as_os_str(),
    ]);
    plan.exits(0).says("\x1b[32m");
    let ran = t
        .run(&["-q".as_ref(), "activate".as_ref(), toplevel.as_os_str()])
        .exits(0)
        .never_says("\x1b[");
    assert_eq!(ran.stderr, "");
}

#[test]
fn commands_that_are_run_are_for_debugging_only() {
    let Some(t) = Test::begin() else { return };
    let script = t.source("check", "");
    install_text(&script, "#!/bin/sh\nexit 0\n");
    for (flag, number) in [("-v", "1"), ("-vv", "2")] {
        let checks = json!([{ "name": "fine", "script": script }]);
        let config = Config::new().copy("a", "0644", number);
        let toplevel = t.build(&config.field("preActivationChecks", checks));
        let ran = t.run(&["activate".as_ref(), toplevel.as_os_str(), flag.as_ref()]);
        let ran = ran.exits(0).says("running the check fine");
        assert_eq!(
            ran.stderr.contains("running program="),
            flag == "-vv",
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn the_manual_is_printed() {
    let Some(t) = Test::begin() else { return };
    t.run(&["man"]).exits(0).says(".TH system-manager");
}

#[test]
fn a_first_configuration_is_written_once() {
    let Some(t) = Test::begin() else { return };
    let folder = t.beside("new");
    t.run(&["init".as_ref(), folder.as_os_str()])
        .exits(0)
        .says("system.nix");
    assert!(
        std::fs::read_to_string(folder.join("system.nix"))
            .unwrap()
            .contains("environment.etc")
    );
    t.run(&["init".as_ref(), folder.as_os_str()])
        .exits(1)
        .says("File exists")
        .says("hint:");
}

#[test]
fn a_first_configuration_is_about_the_host() {
    let Some(t) = Test::begin() else { return };
    t.write(
        "etc/os-release",
        "ID=debian\nPRETTY_NAME=\"Debian of this test\"\n",
    );
    let wants = "etc/systemd/system/multi-user.target.wants";
    for unit in ["nginx.service", "ssh.service", "foo.service"] {
        t.write(&format!("{wants}/{unit}"), "");
    }
    let folder = t.beside("new");
    t.run(&["init".as_ref(), folder.as_os_str(), "--flake".as_ref()])
        .exits(0)
        .says("flake.nix\n")
        .says("system.nix` shows what it does\n")
        .says("name where you have it from as `system-manager.url`");
    t.write("usr/share/system-manager/flake.nix", "{ }");
    let named = t.beside("named");
    t.run(&["init".as_ref(), named.as_os_str(), "--flake".as_ref()])
        .exits(0)
        .never_says("system-manager.url");
    let bare = t.beside("bare");
    t.run(&["init".as_ref(), "--no-flake".as_ref(), bare.as_os_str()])
        .exits(0);
    assert!(bare.join("system.nix").exists() && !bare.join("flake.nix").exists());
    let text = std::fs::read_to_string(folder.join("system.nix")).unwrap();
    assert!(
        text.starts_with("# The configuration of a host with Debian of this test.\n"),
        "{text}"
    );
    let proposed = "  # services.nginx.enable = true;\n  # services.openssh.enable = true;\n}\n";
    assert!(text.ends_with(proposed), "{text}");
    assert!(folder.join("flake.nix").exists());
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let Some(t) = Test::begin() else { return };
    let toplevel = t.build(&Config::new().copy("a", "0644", "1\n"));
    let mut child = t
        .command(&["plan".as_ref(), toplevel.as_os_str()])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

#[test]
fn a_configuration_is_named_by_its_file_alone() {
    let Some(t) = Test::begin() else { return };
    // Nix is not reached: the file is looked at first.
    for command in ["build", "plan", "switch", "register"] {
        t.refuses(
            &[command, "/nowhere/system.nix"],
            &["reading the configuration /nowhere/system.nix"],
        );
    }
}

#[test]
fn what_is_no_nixpkgs_is_said_before_nix_is_asked() {
    let Some(t) = Test::begin() else { return };
    t.write("empty/x", "");
    let empty = t.path("empty").display().to_string();
    for (named, why) in [
        ("/nowhere", "`--nixpkgs /nowhere`: there is no such folder"),
        (
            "github:NixOS/nixpkgs",
            "this must be a folder, not an address",
        ),
        (empty.as_str(), "this is not a nixpkgs"),
    ] {
        t.refuses(
            &["plan", "system.nix", "--nixpkgs", named],
            &[why, "hint: "],
        );
    }
    let built = t.build(&Config::new());
    t.refuses(
        &[
            "plan".as_ref(),
            built.as_os_str(),
            "--nixpkgs".as_ref(),
            "embedded".as_ref(),
        ],
        &["has already been built", "hint: leave it out"],
    );
}

#[test]
fn names_of_other_tools_lead_to_ours() {
    let Some(t) = Test::begin() else { return };
    for (word, ours) in [
        ("apply", "switch"),
        ("uninstall", "deactivate"),
        ("remove", "deactivate"),
        ("install", "switch"),
        ("list", "generations"),
        ("dry-run", "plan"),
    ] {
        t.run(&[word])
            .exits(2)
            .says(&format!("there is no command `{word}`"))
            .says(&format!("hint: use `system-manager {ours}`"));
    }
    t.run(&["swich"])
        .exits(2)
        .says("'switch'")
        .never_says("user-manager");
}
