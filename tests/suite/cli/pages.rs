//! A plan as Markdown and HTML, and a switch that asks.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::cli::story::{Config, PROGRAM, Ran, Test};

#[test]
fn a_plan_is_a_comment_on_a_pull_request() {
    let Some(t) = Test::begin() else { return };
    t.activate(&Config::new().copy("app.conf", "0644", "old\n"));
    let next = t.build(
        &Config::new()
            .copy("app.conf", "0644", "new `` tick\n")
            .copy("more", "0644", "x\n"),
    );
    let ran = t
        .run(&[
            "plan".as_ref(),
            next.as_os_str(),
            "--markdown".as_ref(),
            "--detailed-exitcode".as_ref(),
        ])
        .exits(10);
    for part in [
        "**Plan: 1 to add, 1 to change, 0 to remove.**",
        "<details><summary>Files (2)</summary>",
        "```diff\n",
        "\n! /etc/app.conf",
        "\n-old\n+new `` tick\n",
        "\n+ /etc/more",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
}

#[test]
fn a_long_plan_is_cut_and_says_so() {
    let Some(t) = Test::begin() else { return };
    let config = (0..3000).fold(Config::new(), |config, n| {
        config.copy(
            &format!("folder/a-file-with-number-{n}"),
            "0644",
            &format!("{n}\n"),
        )
    });
    let toplevel = t.build(&config);
    let ran = t
        .run(&["plan".as_ref(), toplevel.as_os_str(), "--markdown".as_ref()])
        .exits(0)
        .says("more lines: `system-manager plan` shows them");
    assert!(ran.stdout.len() < 65_536, "{}", ran.stdout.len());
}

#[test]
fn a_plan_is_one_html_file_in_which_text_stays_text() {
    let Some(t) = Test::begin() else { return };
    t.activate(&Config::new().copy("page", "0644", "old\n"));
    let next = t.build(&Config::new().copy("page", "0644", "<script>alert(1)</script>\n"));
    let ran = t
        .run(&["plan".as_ref(), next.as_os_str(), "--html".as_ref()])
        .exits(0)
        .says("&lt;script&gt;alert(1)&lt;/script&gt;")
        .never_says("<script>");
    assert!(ran.stdout.starts_with("<!doctype html>"));
    assert!(!ran.stdout.contains('\x1b'));
}

/// Runs the program on a terminal of its own, with something typed.
fn on_a_terminal(t: &Test, arguments: &[&str], typed: &str) -> Ran {
    let words: Vec<String> = arguments.iter().map(|a| format!("'{a}'")).collect();
    let root = t.root().display().to_string();
    let mut script = Command::new("script")
        .args(["--quiet", "--return", "--command"])
        .arg(format!("{PROGRAM} --root '{root}' {}", words.join(" ")))
        .arg("/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    script
        .stdin
        .take()
        .unwrap()
        .write_all(typed.as_bytes())
        .unwrap();
    Ran::new(&script.wait_with_output().unwrap())
}

#[test]
fn a_switch_that_asks_does_what_it_is_told() {
    let Some(t) = Test::begin() else { return };
    let plan = t.save_plan(&Config::new().copy("a", "0644", "1\n"));
    let plan = plan.display().to_string();
    t.run(&["switch", plan.as_str(), "--ask"])
        .exits(1)
        .says("there is no terminal to ask on");
    on_a_terminal(&t, &["switch", plan.as_str(), "--ask"], "n\n")
        .exits(1)
        .says("Apply this plan? [y/N]")
        .says("nothing was changed");
    t.run(&["switch", plan.as_str(), "--dry-run"])
        .exits(0)
        .says("1 to add");
    assert!(!t.path("etc/a").exists());
    on_a_terminal(&t, &["switch", plan.as_str(), "--ask"], "y\n").exits(0);
    assert_eq!(t.read("etc/a"), "1\n");
}
