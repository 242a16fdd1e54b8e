//! Lines in files of others: added, seen, put right, and taken out again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::json;

use crate::cli::story::{Config, Test, assert_same};

const THEIRS: &str = "127.0.0.1 localhost\n# no end";

fn hosts(lines: &str) -> Config {
    Config::new().field("blocks", json!({ "hosts": lines }))
}

/// A host with a file of its own, whose mode and owner are not the usual ones.
fn host() -> Option<Test> {
    let t = Test::begin()?;
    t.write("etc/hosts", THEIRS).give("etc/hosts", 0o664, 0, 34);
    Some(t)
}

fn plan(t: &Test, toplevel: &Path) -> crate::cli::story::Ran {
    t.run(&[
        "plan".as_ref(),
        toplevel.as_os_str(),
        "--detailed-exitcode".as_ref(),
    ])
}

#[test]
fn lines_are_planned_added_changed_and_taken_out_exactly() {
    let Some(t) = host() else { return };
    let before = t.tree();
    let (first, second) = (
        t.build(&hosts("10.0.0.1 one\n")),
        t.build(&hosts("10.0.0.2 two\n")),
    );
    plan(&t, &first)
        .exits(10)
        .says("+ /etc/hosts")
        .says("+10.0.0.1 one")
        .says("lines in 1 file to change");
    t.run(&["activate".as_ref(), first.as_os_str()]).exits(0);
    assert!(t.read("etc/hosts").starts_with(THEIRS));
    assert!(t.read("etc/hosts").contains("\n10.0.0.1 one\n"));

    let after = t.everything();
    t.run(&["activate".as_ref(), first.as_os_str()])
        .exits(0)
        .says("No changes");
    assert_same(&after, &t.everything());

    plan(&t, &second)
        .exits(10)
        .says("-10.0.0.1 one")
        .says("+10.0.0.2 two");
    t.run(&["activate".as_ref(), second.as_os_str()]).exits(0);
    assert!(!t.read("etc/hosts").contains("one"));
    t.run(&["deactivate"]).exits(0);
    // Content, mode and owner; the file itself is another one, and newer.
    let what = |tree: crate::cli::story::Tree| -> BTreeMap<String, String> {
        tree.into_iter().map(|(path, s)| (path, s.what)).collect()
    };
    assert_same(&what(before), &what(t.tree()));
    assert_eq!(t.read("etc/hosts"), THEIRS);
}

#[test]
fn a_generation_without_lines_takes_them_out() {
    let Some(t) = host() else { return };
    t.activate(&hosts("10.0.0.1 one\n"));
    t.activate(&Config::new());
    assert_eq!(t.read("etc/hosts"), THEIRS);
    t.run(&["status"]).exits(0).never_says("/etc/hosts");
}

#[test]
fn a_text_without_an_end_is_a_line_that_can_be_read_again_and_taken_out() {
    let Some(t) = host() else { return };
    let toplevel = t.build(&hosts("10.0.0.1 one"));
    for _ in 0..2 {
        t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
        assert!(t.read("etc/hosts").contains("10.0.0.1 one\n#"));
    }
    t.run(&["deactivate"]).exits(0);
    assert_eq!(t.read("etc/hosts"), THEIRS);
}

#[test]
fn what_others_write_around_the_lines_stays() {
    let Some(t) = host() else { return };
    let toplevel = t.build(&hosts("10.0.0.1 one\n"));
    t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
    let ours = t.read("etc/hosts");
    t.write("etc/hosts", &format!("# mine\n{ours}10.0.0.9 mine\n"));
    t.run(&["status"]).exits(0).never_says("drift");
    plan(&t, &toplevel).exits(0);
    t.activate(&hosts("10.0.0.2 two\n"));
    t.run(&["deactivate"]).exits(0);
    assert_eq!(
        t.read("etc/hosts"),
        format!("# mine\n{THEIRS}\n10.0.0.9 mine\n")
    );
}

#[test]
fn an_edit_of_the_lines_is_shown_kept_and_put_right() {
    let Some(t) = host() else { return };
    let toplevel = t.build(&hosts("10.0.0.1 one\n"));
    t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
    let right = t.read("etc/hosts");
    let edited = right.replace("one", "another");
    t.write("etc/hosts", &edited);
    t.run(&["status"])
        .exits(0)
        .says("drift: the managed lines in /etc/hosts were changed by hand");
    plan(&t, &toplevel)
        .exits(10)
        .says("the managed lines were changed by hand")
        .says("is backed up as");
    t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
    assert_eq!(t.read("etc/hosts"), right);
    let kept = fs::read_dir(t.path("var/lib/system-manager/backups")).unwrap();
    let kept: Vec<String> = kept
        .map(|e| fs::read_to_string(e.unwrap().path()).unwrap())
        .collect();
    assert_eq!(kept, [edited]);
    t.run(&["status"])
        .exits(0)
        .says("backup of an edit: /etc/hosts")
        .never_says("drift");

    // Whole files are rewritten by others as well, cloud-init for one.
    t.write("etc/hosts", THEIRS);
    t.run(&["status"])
        .exits(0)
        .says("drift: the managed lines in /etc/hosts were removed by hand");
    t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
    assert!(t.read("etc/hosts").contains("one"));
}

#[test]
fn a_file_that_was_not_there_goes_again() {
    let Some(t) = Test::begin() else { return };
    t.activate(&hosts("10.0.0.1 one\n"));
    assert!(t.read("etc/hosts").contains("one"));
    t.run(&["deactivate"]).exits(0);
    assert!(!t.path("etc/hosts").exists());
}

#[test]
fn a_link_and_broken_marks_are_refused() {
    let Some(t) = host() else { return };
    t.activate(&hosts("10.0.0.1 one\n"));
    let broken = t
        .read("etc/hosts")
        .replace("# The lines of system-manager end here.\n", "");
    t.write("etc/hosts", &broken);
    t.refuses_config(
        &hosts("10.0.0.2 two\n"),
        &["/etc/hosts", "not a single pair"],
    );
    fs::remove_file(t.path("etc/hosts")).unwrap();
    std::os::unix::fs::symlink("/somewhere", t.path("etc/hosts")).unwrap();
    t.refuses_config(
        &hosts("10.0.0.2 two\n"),
        &["/etc/hosts", "is not a regular file"],
    );
}

#[test]
fn a_file_whose_folder_is_not_there_is_refused() {
    let Some(t) = host() else { return };
    let lines = |config: Config| config.field("blocks", json!({ "some.d/file": "a\n" }));
    let names = ["/etc/some.d/file", "its folder"];
    t.refuses_config(&lines(Config::new()), &names);
    // One that we make goes again, and must be empty then.
    t.refuses_config(
        &lines(Config::new().copy("some.d/own", "0644", "x\n")),
        &names,
    );
    t.activate(&Config::new().copy("some.d/own", "0644", "x\n"));
    t.refuses_config(
        &lines(Config::new().copy("some.d/own", "0644", "x\n")),
        &names,
    );
    t.run(&["deactivate"]).exits(0);
    assert!(!t.path("etc/some.d").exists());
}

#[test]
fn lines_do_not_become_an_entry_in_one_step_nor_back() {
    let Some(t) = host() else { return };
    let entry = |mode| Config::new().copy("hosts", mode, "all ours\n").replacing();
    let names = ["/etc/hosts", "one step", "neither"];
    t.activate(&hosts("10.0.0.1 one\n"));
    t.refuses_config(&entry("0644"), &names);
    // What is kept then has no lines of ours.
    t.activate(&Config::new());
    t.activate(&entry("0644"));
    t.refuses_config(&hosts("10.0.0.1 one\n"), &names);
    t.activate(&entry("symlink"));
    t.refuses_config(&hosts("10.0.0.1 one\n"), &names);
    t.run(&["deactivate"]).exits(0);
    assert_eq!(t.read("etc/hosts"), THEIRS);
}
