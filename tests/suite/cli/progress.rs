//! How far a command is: on a terminal, for tools, and in a pipe.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::cli::story::{Config, PROGRAM, Ran, Test};
use crate::needs::skip;

fn many(n: u32) -> Config {
    (0..n).fold(Config::new(), |config, n| {
        config.copy(&format!("many/{n}"), "0644", &format!("{n}\n"))
    })
}

#[test]
fn a_pipe_gets_one_line_and_not_one_for_each_file() {
    let Some(t) = Test::begin() else { return };
    let ran = t.activate(&many(200));
    assert_eq!(ran.stderr, "writing 200 files\n");
    let ran = t.activate(&Config::new().copy("one", "0644", "1\n"));
    assert_eq!(ran.stderr, "writing 1 file, removing 200 files\n");
    let toplevel = t.build(&many(3));
    let ran = t.run(&["activate".as_ref(), toplevel.as_os_str(), "-v".as_ref()]);
    assert!(ran.stderr.contains("writing /etc/many/2"), "{}", ran.stderr);
}

#[test]
fn tools_read_each_step_as_json() {
    let Some(t) = Test::begin() else { return };
    let (toplevel, log) = (t.build(&many(2)), t.beside("log"));
    let script = "exec \"$@\" --progress-fd 5 5>\"$log\"";
    let output = Command::new("sh")
        .args(["-c", script, "sh", PROGRAM, "--root"])
        .arg(t.root())
        .arg("activate")
        .arg(&toplevel)
        .env("log", &log)
        .output()
        .unwrap();
    Ran::new(&output).exits(0);
    let text = fs::read_to_string(&log).unwrap();
    let events: Vec<Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert!(events.iter().all(|e| e["version"] == 1), "{text}");
    let of = |name: &str| {
        events
            .iter()
            .filter(|e| e["event"] == name)
            .collect::<Vec<_>>()
    };
    let phases: Vec<&Value> = of("phase").iter().map(|e| &e["phase"]).collect();
    assert_eq!(phases, [&json!("plan"), &json!("activation")]);
    let steps = of("step");
    assert_eq!(steps.last().unwrap()["number"], steps.len());
    assert!(steps.iter().all(|e| e["of"] == steps.len()), "{text}");
    let write = steps.iter().find(|e| e["step"] == "write").unwrap();
    assert_eq!(write["subject"], "/etc/many/0");
    assert_eq!(events.last().unwrap()["event"], "end");
    assert_eq!(events.last().unwrap()["code"], 0);
    t.refuses(
        &["status", "--progress-fd", "77"],
        &["`--progress-fd 77`", "hint: open it first"],
    );
}

#[test]
fn times_of_each_part_are_told_with_v() {
    let Some(t) = Test::begin() else { return };
    let toplevel = t.build(&many(1));
    let ran = t.run(&["activate".as_ref(), toplevel.as_os_str(), "-v".as_ref()]);
    let times = ran.stderr.lines().find(|l| l.starts_with("times: "));
    let times = times.unwrap_or_else(|| panic!("{}", ran.stderr));
    assert!(
        times.contains("plan ") && times.contains(" activation "),
        "{times}"
    );
    t.activate(&many(1)).never_says("times:");
}

/// Runs the program on a terminal of its own; none when there is no `script` for that.
fn on_terminal(t: &Test, arguments: &[&str], answer: &str) -> Option<Ran> {
    if Command::new("script").arg("--version").output().is_err() {
        skip("there is no `script` (apt-get install bsdutils)");
        return None;
    }
    let root = t.root();
    let words: Vec<String> = [&[PROGRAM, "--root", root.to_str().unwrap()], arguments]
        .concat()
        .iter()
        .map(|w| format!("'{w}'"))
        .collect();
    let script =
        format!("printf '{answer}' | script --quiet --return --command \"$line\" /dev/null");
    let output = Command::new("sh")
        .args(["-c", &script])
        .env("line", words.join(" "))
        .env("COLUMNS", "80")
        .output()
        .unwrap();
    Some(Ran::new(&output))
}

#[test]
fn a_terminal_has_one_line_that_is_written_anew_and_goes_at_the_end() {
    let Some(t) = Test::begin() else { return };
    let toplevel = t.build(&many(30));
    let Some(ran) = on_terminal(&t, &["activate", toplevel.to_str().unwrap()], "") else {
        return;
    };
    let ran = ran.exits(0);
    let steps = ran.stdout.matches("\r\u{1b}[Kstep ").count();
    assert!(steps > 30, "{:?}", ran.stdout);
    let after = ran.stdout.rsplit("\r\u{1b}[K").next().unwrap();
    assert!(after.contains("Activated: 30 added"), "{after:?}");
    assert!(!after.contains("step "), "{after:?}");
    for line in ran.stdout.split(['\r', '\n']) {
        let shown = line.trim_start_matches("\u{1b}[K");
        assert!(shown.chars().count() < 120, "{shown:?}");
    }
}

#[test]
fn on_a_terminal_the_answer_decides() {
    let Some(t) = Test::begin() else { return };
    let plan = t.save_plan(&many(1));
    let plan = plan.to_str().unwrap();
    let Some(ran) = on_terminal(&t, &["switch", plan, "--ask"], "n\\n") else {
        return;
    };
    ran.exits(1)
        .says("Apply this plan? [y/N]")
        .says("nothing was changed");
    assert!(!t.path("etc/many").exists());
    let ran = on_terminal(&t, &["switch", plan, "--ask"], "y\\n").unwrap();
    ran.exits(0).says("Plan: 1 to add");
    assert!(t.path("etc/many/0").exists());
}
