//! Sessions in a real terminal: what is shown while the program works, what is asked, and what Ctrl-C does.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::scripts;
use crate::cli::story::{Config, PROGRAM, Test};
use crate::cli::terminal::Terminal;

/// A host on which an activation waits until a file is there.
fn waiting() -> Option<(Test, PathBuf)> {
    let t = scripts::begin()?;
    let text = "echo begun >/begun; while [ ! -e /go ]; do sleep 0.1; done";
    let script = scripts::script(&t, "waits-for-somebody", text);
    let config = (0..5).fold(Config::new(), |config, n| {
        config.copy(&format!("many/{n}"), "0644", &format!("{n}\n"))
    });
    let saved = t.save_plan(&config.field("activationScripts", json!([script])));
    Some((t, saved))
}

/// Runs the program on a terminal of this width.
fn run(t: &Test, width: u16, arguments: &str) -> Option<Terminal> {
    let words = format!("clear; {PROGRAM} --root {} {arguments}", t.root().display());
    Terminal::begin(width, Path::new("/"), &[("NIX_PATH", "")], &words)
}

/// The lines that are on the screen, without those that are empty.
fn lines(screen: &str) -> Vec<&str> {
    screen
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect()
}

#[test]
fn one_line_tells_how_far_it_is_and_goes_when_it_is_done() {
    for width in [100, 44] {
        let Some((t, saved)) = waiting() else { return };
        let Some(terminal) = run(&t, width, &format!("switch {}", saved.display())) else {
            return;
        };
        let screen = terminal.shows("waits-for-somebody");
        let live: Vec<&str> = lines(&screen)
            .into_iter()
            .filter(|l| l.contains("step "))
            .collect();
        assert_eq!(live.len(), 1, "{screen}");
        assert!(live[0].chars().count() < usize::from(width), "{screen}");
        assert!(!screen.contains("/etc/many"), "{screen}");
        t.write("go", "");
        assert_eq!(terminal.ends(), 0);
        let screen = terminal.text();
        assert!(!screen.contains("step "), "{screen}");
        assert!(screen.contains("5 added"), "{screen}");
    }
}

#[test]
fn ctrl_c_ends_a_run_at_a_safe_step_and_the_next_one_resumes() {
    let Some((t, saved)) = waiting() else { return };
    let saved = saved.display();
    let Some(terminal) = run(&t, 100, &format!("switch {saved}")) else {
        return;
    };
    terminal.shows("waits-for-somebody");
    terminal.presses(&["C-c"]);
    t.write("go", "");
    assert_eq!(terminal.ends(), 3);
    let screen = terminal.shows("run again to resume");
    assert!(
        screen.contains("error: interrupted after step "),
        "{screen}"
    );
    assert!(screen.contains("hint: stopped part-way"), "{screen}");
    let terminal = run(&t, 100, "activate").unwrap();
    assert_eq!(terminal.ends(), 0);
    terminal.shows("Activated");
    assert_eq!(t.read("etc/many/4"), "4\n");
    t.run(&["status"]).exits(0).never_says("interrupted");
}

#[test]
fn a_person_is_asked_and_only_yes_is_yes() {
    let Some(t) = Test::begin() else { return };
    let config = Config::new().copy("a", "0644", "1\n");
    for (typed, key, code) in [
        ("n", "Enter", 1),
        ("", "Enter", 1),
        ("yess", "Enter", 1),
        ("", "C-c", 1),
        ("", "C-d", 1),
        ("y", "Enter", 0),
    ] {
        let saved = t.save_plan(&config);
        let Some(terminal) = run(&t, 80, &format!("switch {} --ask", saved.display())) else {
            return;
        };
        let screen = terminal.shows("Apply this plan? [y/N]");
        assert!(screen.contains("+ /etc/a"), "{screen}");
        terminal.types(typed).presses(&[key]);
        assert_eq!(terminal.ends(), code, "{typed} {key}");
        let screen = terminal.text();
        assert_eq!(
            screen.contains("nothing was changed"),
            code != 0,
            "{screen}"
        );
        assert_eq!(t.path("etc/a").exists(), code == 0, "{typed} {key}");
    }
    let saved = t.save_plan(&Config::new().copy("a", "0644", "2\n"));
    let piped = format!(
        "plan {0} >/dev/null; echo y | {PROGRAM} --root {1} switch {0} --ask",
        saved.display(),
        t.root().display()
    );
    let terminal = run(&t, 80, &piped).unwrap();
    assert_eq!(terminal.ends(), 1);
    terminal.shows("there is no terminal to ask on");
    assert_eq!(t.read("etc/a"), "1\n");
    let status = fs::read_dir(t.path("var/lib/system-manager"))
        .unwrap()
        .count();
    assert!(status > 0);
}

#[test]
fn a_status_that_is_watched_follows_the_host_and_ends_with_ctrl_c() {
    let Some(t) = Test::begin() else { return };
    t.activate(&Config::new().copy("a", "0644", "1\n"));
    let Some(terminal) = run(&t, 80, "status --watch 1") else {
        return;
    };
    terminal.shows("managed: 1 file below /etc");
    t.write("etc/a", "by hand\n");
    let screen = terminal.shows("drift: /etc/a was changed by hand");
    assert_eq!(screen.matches("managed:").count(), 1, "{screen}");
    terminal.presses(&["C-c"]);
    assert_eq!(terminal.ends(), 130);
}
