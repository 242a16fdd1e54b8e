//! Each type of a tmpfiles rule, with each modifier, on each kind of thing, compared with what systemd-tmpfiles does.
//!
//! All of them are tried in one run, each in a folder of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use system_manager::face::host::Root;
use system_manager::face::tmpfiles::{RulesFile, TmpfilesRecord};

use crate::needs::is_root;
use crate::tmpfiles::{create, differences, plan, plan_with_conflicts, predicted, snapshot};

/// What stands where the rule, or what is above it, wants something else.
const THINGS: [&str; 12] = [
    "nothing",
    "folder",
    "full",
    "deep",
    "empty",
    "file",
    "dangling",
    "to folder",
    "to file",
    "to itself",
    "pipe",
    "device",
];
/// Types with what they need as an argument, none of which changes attributes, since not every disk has these.
const TYPES: [(&str, &str); 22] = [
    ("d", ""),
    ("D", ""),
    ("v", ""),
    ("q", ""),
    ("Q", ""),
    ("e", ""),
    ("f", "hi"),
    ("F", "hi"),
    ("f", ""),
    ("L", "b"),
    ("L", "/x/y"),
    ("p", ""),
    ("c", "1:3"),
    ("b", "7:1"),
    ("C", "/src"),
    ("C", "/src/f"),
    ("z", ""),
    ("Z", ""),
    ("m", ""),
    ("x", ""),
    ("r", ""),
    ("R", ""),
];
/// All but `$` and `?`, which not every release knows.
const MODIFIERS: [&str; 9] = ["", "+", "=", "!", "-", "~", "^", "+=", "=~"];

/// Rules: the type with its modifiers, the path in the case's folder, the argument.
type Case = Vec<(String, &'static str, &'static str)>;

fn put(folder: &Path, thing: &str) {
    fs::create_dir_all(folder).unwrap();
    let at = folder.join("a");
    match thing {
        "folder" => fs::create_dir(&at).unwrap(),
        "full" => {
            fs::create_dir(&at).unwrap();
            fs::write(at.join("b"), "x").unwrap();
            fs::write(at.join("c"), "x").unwrap();
        }
        "deep" => fs::create_dir_all(at.join("b/c")).unwrap(),
        "empty" => fs::write(&at, "").unwrap(),
        "file" => fs::write(&at, "x").unwrap(),
        "dangling" => symlink("none", &at).unwrap(),
        "to folder" => {
            fs::create_dir(folder.join("b")).unwrap();
            symlink("b", &at).unwrap();
        }
        "to file" => {
            fs::write(folder.join("b"), "x").unwrap();
            symlink("b", &at).unwrap();
        }
        "to itself" => symlink("a", &at).unwrap(),
        "pipe" => nix::unistd::mkfifo(&at, Mode::from_bits_truncate(0o644)).unwrap(),
        "device" => mknod(
            &at,
            SFlag::S_IFCHR,
            Mode::from_bits_truncate(0o640),
            makedev(1, 5),
        )
        .unwrap(),
        _ => {}
    }
}

/// The rules of each case, about what is in a folder.
fn cases() -> Vec<Case> {
    let all = || {
        TYPES.iter().flat_map(|(letter, argument)| {
            MODIFIERS
                .iter()
                .map(move |m| (format!("{letter}{m}"), *argument))
        })
    };
    // A wrong one ends all.
    let fitting = |kind: &str, argument: &'static str| match (kind.contains('~'), argument) {
        _ if kind.contains('^') => "credential",
        (true, "hi") => "aGk=",
        (true, "b") => "Yg==",
        (true, "1:3" | "7:1") => "MTo1",
        (true, "/src/f") => "L3NyYy9m",
        (true, "/x/y") => "L3g=",
        _ => argument,
    };
    let mut cases = Vec::new();
    for (kind, argument) in all() {
        let argument = fitting(&kind, argument);
        for path in ["a", "a/b", "a/b/c"] {
            cases.push(vec![(kind.clone(), path, argument)]);
        }
    }
    let makes = || {
        all().filter(|(kind, argument)| {
            "dfLpC".contains(&kind[..1])
                && matches!(&kind[1..], "" | "=" | "+")
                && matches!(*argument, "" | "hi" | "/x/y" | "/src")
        })
    };
    for (first, argument) in makes() {
        for (second, other) in makes() {
            cases.push(vec![(first.clone(), "a", argument), (second, "a/b", other)]);
        }
    }
    cases
}

#[test]
fn each_type_of_rule_on_each_kind_of_thing_does_what_is_predicted() {
    if !is_root() {
        return;
    }
    let cases = cases();
    let wrong: Vec<String> = cases.chunks(100).flat_map(try_cases).collect();
    let tried = cases.len() * THINGS.len();
    assert!(
        wrong.is_empty(),
        "{} of {tried}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Tries some cases on each thing; returns what was not as predicted.
fn try_cases(cases: &[Case]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(folder.path().join("src/d")).unwrap();
    fs::write(folder.path().join("src/f"), "source\n").unwrap();
    let mut rules = String::new();
    let mut named = BTreeMap::new();
    for (n, case) in cases.iter().enumerate() {
        for (m, thing) in THINGS.iter().enumerate() {
            // Two rules meet where there is something between them.
            if case.len() > 1
                && !["nothing", "full", "file", "to folder", "dangling"].contains(thing)
            {
                continue;
            }
            let place = format!("{n}-{m}");
            put(&folder.path().join(&place), thing);
            let mut text = (*thing).to_owned();
            for (kind, path, argument) in case {
                writeln!(rules, "{kind} /{place}/{path} - - - - {argument}").unwrap();
                write!(text, "; {kind} {path} {argument}").unwrap();
            }
            named.insert(place, text);
        }
    }
    let root = Root::open(folder.path(), false).unwrap();
    let before = snapshot(&root);
    let planned = plan(&root, &rules, &BTreeMap::new());
    let log = create(&root, &rules);
    let wrong = differences(&predicted(&before, &planned), &snapshot(&root));
    let told = |line: &String| {
        let place = line[1..].split(['/', ':']).next().unwrap();
        let said = log.lines().filter(|l| l.contains(&format!("/{place}/")));
        let said = said.collect::<Vec<_>>().join("\n    ");
        format!("[{}] {line}\n    {said}", named[place])
    };
    wrong.iter().map(told).collect()
}

#[test]
fn a_line_at_which_systemd_tmpfiles_ends_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::open(folder.path(), false).unwrap();
    for line in ["f^ /x", "f^ /x - - - - a/b", "f~ /x - - - - !!"] {
        let content = format!("d /a\n{line}\n");
        create(&root, &content);
        assert_eq!(snapshot(&root), BTreeMap::new(), "{line}: nothing is done");
        let file = RulesFile {
            name: "50-ours.conf".to_owned(),
            path: "/etc/tmpfiles.d/50-ours.conf".parse().unwrap(),
            content: content.into_bytes(),
        };
        let (_, conflicts) = plan_with_conflicts(&root, &[file], &TmpfilesRecord::default());
        assert_eq!(conflicts.len(), 1, "{conflicts:?}");
        assert!(
            conflicts[0].contains(&format!("50-ours.conf:2: {line}")),
            "{conflicts:?}"
        );
    }
}
