//! Killed at any moment, and run again.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::cli::story::{Config, Test, Tree, assert_same};
use crate::cli::strace::{Whose, has_strace, killed_at, with_fault};

/// The system calls between which a kill makes a difference.
const WRITES: [&str; 7] = [
    "write",
    "renameat",
    "renameat2",
    "unlinkat",
    "symlinkat",
    "mkdirat",
    "fchmod",
];

/// A host with something of everything: to add, change, remove, keep, put back; a file that becomes a folder and back.
fn host() -> Option<(Test, Config)> {
    let t = Test::begin()?;
    t.write("etc/replaced", "theirs\n")
        .give("etc/replaced", 0o640, 33, 34);
    t.write("etc/given-back", "theirs too\n");
    t.write("etc/carried", "carried\n");
    t.write("etc/hosts", "theirs, without an end");
    t.write("etc/lines-go", "theirs\n");
    t.write("etc/hostname", "theirs\n")
        .give("etc/hostname", 0o640, 33, 34);
    t.write("etc/timezone", "Etc/UTC\n");
    for zone in ["Etc/UTC", "Europe/Rome"] {
        t.write(&format!("usr/share/zoneinfo/{zone}"), "a zone");
    }
    let source = t.source("same", "same\n");
    let same = Config::new().source("same", "0644", &source);
    t.activate(
        &same
            .clone()
            .copy("changed", "0644", "old\n")
            .copy("edited", "0644", "old\n")
            .link("goes/away", "old\n")
            .copy("given-back", "0644", "ours\n")
            .replacing()
            .copy("carried", "0644", "ours\n")
            .replacing()
            .link("folder/inside", "old\n")
            .field(
                "blocks",
                json!({ "hosts": "old\n", "lines-go": "old\n", "lines-edited": "old\n" }),
            )
            .field(
                "basics",
                json!({ "timeZone": "Etc/UTC", "locale": { "LANG": "C.UTF-8" } }),
            ),
    );
    let edited = t.read("etc/lines-edited").replace("old\n", "by hand\n");
    t.write("etc/lines-edited", &edited);
    t.write("etc/edited", "by hand\n");
    let next = same
        .copy("changed", "4755", "new\n")
        .owned_by("web", "web")
        .copy("edited", "0644", "new\n")
        .link("added/here", "new\n")
        .copy("replaced", "0644", "ours\n")
        .replacing()
        .link("carried/deep", "new\n")
        .copy("folder", "0600", "new\n")
        .field(
            "blocks",
            json!({ "hosts": "new\n", "lines-edited": "new\n", "lines-new": "new\n" }),
        )
        .field(
            "basics",
            json!({ "hostName": "new", "timeZone": "Europe/Rome" }),
        );
    Some((t, next))
}

/// What the tree comes to, whenever it was written.
fn content(tree: &Tree) -> BTreeMap<String, String> {
    tree.iter()
        .map(|(path, s)| (path.clone(), s.what.clone()))
        .collect()
}

/// Brings the host to the state that `archive` holds.
fn reset(t: &Test, archive: &std::path::Path) {
    let script = "rm -rf \"$1\" && cp -a \"$2\" \"$1\"";
    let status = Command::new("sh")
        .args(["-euc", script, "sh"])
        .arg(t.root())
        .arg(archive)
        .status();
    assert!(status.unwrap().success());
}

fn archive(t: &Test) -> std::path::PathBuf {
    let archive = t.beside("archive");
    let status = Command::new("cp")
        .arg("-a")
        .arg(t.root())
        .arg(&archive)
        .status();
    assert!(status.unwrap().success());
    archive
}

/// Nothing that was to become something else may stay, and no copy that nothing belongs to.
fn assert_no_litter(t: &Test) {
    let state: serde_json::Value =
        serde_json::from_str(&t.read("var/lib/system-manager/state.json")).unwrap();
    let state = state.to_string();
    for path in t.everything().keys() {
        let name = path.rsplit('/').next().unwrap();
        let is_half_made = name.starts_with(".system-manager-") || name.ends_with('+');
        assert!(!is_half_made, "{path} was left behind");
        if path.contains("/backups/") {
            assert!(
                state.contains(&format!("\"{name}\"")),
                "nothing needs {path}: {state}"
            );
        }
    }
}

#[test]
fn a_rollback_that_was_killed_goes_on_to_the_same_generation() {
    let Some(t) = Test::begin() else { return };
    if !has_strace() {
        return;
    }
    for number in 1..=3 {
        t.switch(&Config::new().copy("n", "0644", &format!("{number}\n")));
    }
    let archive = archive(&t);
    let mut kills = 0;
    for call in ["renameat", "unlinkat", "fsync"] {
        for number in 1.. {
            reset(&t, &archive);
            let status = with_fault(&t, &format!("{call}:signal=KILL:when={number}"), Whose::Its)
                .args(["--quiet", "rollback"])
                .status()
                .unwrap();
            if status.success() {
                break;
            }
            if t.path("var/lib/system-manager/journal").exists() {
                t.run(&["status"])
                    .exits(0)
                    .says("rolling back to generation 2");
                kills += 1;
            } else if t.read("etc/n") == "2\n" {
                continue; // it was over: the next one is another one
            }
            t.run(&["rollback"]).exits(0);
            assert_eq!(t.read("etc/n"), "2\n", "{call} {number}");
            t.run(&["generations"]).exits(0).says("*    2");
        }
    }
    assert!(kills > 5, "only {kills} kills among the steps");
}

#[test]
fn every_write_may_be_the_last() {
    if !has_strace() {
        return;
    }
    let Some((t, next)) = host() else { return };
    let kills = kill_at_each(&WRITES, &t, &t.build(&next));
    assert!(kills > 40, "only {kills} writes were found");
}

/// Kills an activation at each of these calls in turn, runs it again or takes all away, and returns how often.
pub fn kill_at_each(calls: &[&str], t: &Test, toplevel: &std::path::Path) -> usize {
    let archive = archive(t);
    let activate = ["activate".as_ref(), toplevel.as_os_str()];
    t.run(&activate).exits(0);
    let expected = content(&t.tree());
    t.run(&["deactivate"]).exits(0);
    let without = content(&t.tree());

    let mut kills = 0;
    for call in calls {
        for number in 1.. {
            reset(t, &archive);
            if !killed_at(t, toplevel, call, number, Whose::Everybodys) {
                break;
            }
            // Either way is open: on, or back.
            if number % 2 == 0 {
                t.run(&activate).exits(0);
                assert_same(&expected, &content(&t.tree()));
            } else {
                t.run(&["deactivate"]).exits(0);
                assert_same(&without, &content(&t.tree()));
            }
            t.run(&["status"])
                .exits(0)
                .never_says("interrupted")
                .never_says("drift");
            assert_no_litter(t);
            kills += 1;
        }
    }
    kills
}

#[test]
fn an_exit_code_is_true_whichever_removal_fails() {
    let Some((t, next)) = host() else { return };
    if !has_strace() {
        return;
    }
    let archive = archive(&t);
    let toplevel = t.build(&next);
    let (mut codes, mut calm) = (BTreeMap::new(), 0);
    for number in 1.. {
        reset(&t, &archive);
        let before = content(&t.tree());
        let output = with_fault(&t, &format!("unlinkat:error=EIO:when={number}"), Whose::Its)
            .args(["--quiet", "activate"])
            .arg(&toplevel)
            .output()
            .unwrap();
        let code = output.status.code().unwrap();
        *codes.entry(code).or_insert(0) += 1;
        match code {
            0 => calm += 1,
            1 => assert_same(&before, &content(&t.tree())),
            _ => {
                assert_eq!(code, 3, "{output:?}");
                t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
            }
        }
        // There is none of that number any more.
        calm = if code == 0 { calm } else { 0 };
        if calm == 20 {
            break;
        }
    }
    assert!(
        codes.contains_key(&1) && codes.contains_key(&3),
        "{codes:?}"
    );
}

#[test]
fn a_kill_is_told_by_status_and_plan() {
    let Some((t, next)) = host() else { return };
    if !has_strace() {
        return;
    }
    let archive = archive(&t);
    let toplevel = t.build(&next);
    reset(&t, &archive);
    // The first link is the state's own, made after the journal.
    assert!(killed_at(&t, &toplevel, "symlinkat", 2, Whose::Everybodys));
    t.run(&["status"]).exits(0).says("interrupted: activating");
    t.run(&["plan".as_ref(), toplevel.as_os_str()])
        .exits(0)
        .says("Resuming after an interruption");
}

#[test]
fn killed_at_random_moments_it_ends_where_it_would_have() {
    let Some(t) = Test::begin() else { return };
    let mut config = Config::new();
    for n in 0..150 {
        config = config.copy(&format!("many/{}/{n}", n % 7), "0644", &format!("{n}\n"));
    }
    t.write("etc/many/3/3", "theirs\n");
    let config = config.copy("many/3/3", "0644", "ours\n").replacing();
    let archive = archive(&t);
    let toplevel = t.build(&config);
    let started = std::time::Instant::now();
    t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
    let whole = started.elapsed();
    let expected = content(&t.tree());
    reset(&t, &archive);
    for part in 1..=12 {
        let mut child = t
            .command(&["activate".as_ref(), toplevel.as_os_str()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Not a wait for anything: the moment of the kill.
        std::thread::sleep(whole * part / 14);
        child.kill().unwrap();
        child.wait().unwrap();
        if part % 4 == 0 {
            t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
            assert_same(&expected, &content(&t.tree()));
            reset(&t, &archive);
        }
    }
}

/// The program's exit status after a fault, with these arguments.
fn with_fault_at(
    t: &Test,
    fault: &str,
    arguments: &[&std::ffi::OsStr],
) -> std::process::ExitStatus {
    with_fault(t, fault, Whose::Its)
        .arg("--quiet")
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
}

#[test]
fn a_rollback_that_was_cut_short_goes_where_it_was_going() {
    let Some(t) = Test::begin() else { return };
    if !has_strace() {
        return;
    }
    for n in 1..=3 {
        t.switch(&Config::new().copy("a", "0644", &format!("{n}\n")));
    }
    let archive = archive(&t);
    let journal = t.path("var/lib/system-manager/journal");
    let (mut kills, mut ended) = (0, 0);
    for call in ["renameat", "unlinkat", "write", "fsync"] {
        for number in 1.. {
            reset(&t, &archive);
            let fault = format!("{call}:signal=KILL:when={number}");
            if with_fault_at(&t, &fault, &["rollback".as_ref()]).success() {
                break;
            }
            kills += 1;
            // It has done all that it was to do, and has only not said so.
            if t.read("etc/a") == "2\n" && !journal.exists() {
                ended += 1;
                continue;
            }
            t.run(&["rollback"]).exits(0);
            assert_eq!(t.read("etc/a"), "2\n", "{call} {number}");
            t.run(&["generations"]).says("*    2");
        }
    }
    assert!(kills > 15, "only {kills} calls were found");
    // What is told of generations is written after the end.
    assert!(ended < 12, "{ended} of {kills} kills came after the end");
}

#[test]
fn copies_of_a_run_that_was_cut_short_do_not_stay() {
    let Some(t) = Test::begin() else { return };
    if !has_strace() {
        return;
    }
    t.write("etc/secret", "theirs\n");
    let before = t.build(&Config::new().copy("a", "0644", "1\n"));
    let next = Config::new().copy("secret", "0644", "ours\n").replacing();
    let next = t.build(&next);
    t.run(&["activate".as_ref(), before.as_os_str()]).exits(0);
    let archive = archive(&t);
    let backups = t.path("var/lib/system-manager/backups");
    let count = || fs::read_dir(&backups).map_or(0, Iterator::count);
    let mut left = 0;
    for call in ["renameat", "unlinkat"] {
        for number in 1.. {
            reset(&t, &archive);
            if !killed_at(&t, &next, call, number, Whose::Its) {
                break;
            }
            left += usize::from(count() > 0);
            t.run(&["activate".as_ref(), before.as_os_str()]).exits(0);
            assert_eq!(t.read("etc/secret"), "theirs\n");
            assert_eq!(count(), 0, "{call} {number}");
        }
    }
    assert!(left > 2, "no kill left a copy");
}

#[test]
fn an_edit_that_a_run_which_was_cut_short_has_kept_is_kept_once() {
    let Some(t) = Test::begin() else { return };
    if !has_strace() {
        return;
    }
    let config = Config::new()
        .copy("a", "0644", "ours\n")
        .link("b", "ours\n");
    let toplevel = t.build(&config);
    t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
    t.write("etc/a", "by hand\n");
    let archive = archive(&t);
    let backups = t.path("var/lib/system-manager/backups");
    let count = || fs::read_dir(&backups).map_or(0, Iterator::count);
    for (way, mut left) in [("activate", 0), ("deactivate", 0)] {
        let mut way = vec![OsStr::new(way)];
        if way[0] == "activate" {
            way.push(toplevel.as_os_str());
        }
        for call in ["renameat", "symlinkat", "fsync"] {
            for number in 1.. {
                reset(&t, &archive);
                if !killed_at(&t, &toplevel, call, number, Whose::Its) {
                    break;
                }
                left += usize::from(count() > 0 && t.read("etc/a") == "by hand\n");
                t.run(&way).exits(0);
                assert_eq!(count(), 1, "{call} {number}");
                let kept = t.run(&["status"]).exits(0).stdout;
                assert_eq!(
                    kept.matches("backup of an edit").count(),
                    1,
                    "{call} {number}: {kept}"
                );
            }
        }
        assert!(left > 2, "no kill left a copy of what is still edited");
    }
}

#[test]
fn what_was_changed_is_never_told_as_not_begun() {
    let Some(t) = Test::begin() else { return };
    if !has_strace() {
        return;
    }
    t.switch(&Config::new().copy("a", "0644", "1\n"));
    let plan = t.save_plan(&Config::new().copy("a", "0644", "2\n"));
    let archive = archive(&t);
    let mut part_way = 0;
    for call in ["unlinkat", "fsync", "renameat"] {
        for number in 1..60 {
            reset(&t, &archive);
            let fault = format!("{call}:error=EIO:when={number}");
            let arguments = ["switch".as_ref(), plan.as_os_str()];
            let code = with_fault_at(&t, &fault, &arguments).code();
            let generations = t.run(&["generations"]).exits(0).stdout;
            match code {
                Some(0) => break,
                Some(3) => {
                    part_way += 1;
                    assert!(generations.contains("*    2"), "{fault}: {generations}");
                }
                _ => {
                    assert_eq!(code, Some(1), "{fault}");
                    assert_eq!(t.read("etc/a"), "1\n", "{fault}");
                    let state = t.read("var/lib/system-manager/state.json");
                    assert!(!state.contains("becomes"), "{fault}: {state}");
                }
            }
        }
    }
    assert!(
        part_way > 3,
        "only {part_way} faults came after the beginning"
    );
}
