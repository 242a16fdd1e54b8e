//! What is not ours: conflicts, backups, and putting back.

use std::fs;
use std::time::{Duration, SystemTime};

use crate::cli::story::{Config, Test, assert_same, lasting};

/// A foreign file with everything that a file can have.
fn write_rich(t: &Test, relative: &str) {
    t.write(relative, "theirs\n").give(relative, 0o2640, 33, 34);
    let path = t.path(relative);
    xattr::set(&path, "user.note", b"kept").unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_000_000_000_123_456_789);
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(long_ago)
        .unwrap();
}

fn ours() -> Config {
    Config::new()
        .copy("rich", "0644", "ours\n")
        .replacing()
        .link("linked", "ours\n")
        .replacing()
        .link("deep/file", "ours\n")
        .replacing()
}

fn host() -> Option<Test> {
    let t = Test::begin()?;
    write_rich(&t, "etc/rich");
    t.write("etc/deep/file", "deep\n")
        .give("etc/deep/file", 0o4711, 0, 34);
    std::os::unix::fs::symlink("no/where", t.path("etc/linked")).unwrap();
    Some(t)
}

#[test]
fn lists_all_conflicts_at_once_and_touches_nothing() {
    let Some(t) = host() else { return };
    fs::create_dir(t.path("etc/folder")).unwrap();
    nix::unistd::mkfifo(&t.path("etc/pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    let config = Config::new()
        .copy("new", "0644", "new\n")
        .copy("rich", "0644", "ours\n")
        .link("linked", "ours\n")
        .link("folder", "ours\n")
        .replacing()
        .link("pipe", "ours\n")
        .replacing();
    t.refuses_config(
        &config,
        &[
            "! /etc/rich exists and is not managed",
            "! /etc/linked exists and is not managed",
            "! /etc/folder is a folder, but a file must be there",
            "! /etc/pipe is a device, socket or pipe",
            "; 4 conflicts.",
            "environment.etc.\"rich\".replaceExisting = true",
            "hint:",
        ],
    );
}

#[test]
fn keeps_a_foreign_link_that_is_already_right() {
    let Some(t) = Test::begin() else { return };
    let source = t.source("it", "content\n");
    std::os::unix::fs::symlink(&source, t.path("etc/it")).unwrap();
    let before = t.tree();
    t.activate(&Config::new().source("it", "symlink", &source));
    assert_same(&before, &t.tree());
    t.run(&["deactivate"]).exits(0);
    assert_same(&before, &t.tree());
}

#[test]
fn puts_back_what_it_replaced_when_the_entry_is_dropped() {
    let Some(t) = host() else { return };
    let before = t.tree();
    t.activate(&ours());
    assert_eq!(t.read("etc/rich"), "ours\n");
    assert_eq!(t.read("etc/linked"), "ours\n");
    t.activate(&Config::new().link("other", "x\n"));
    t.activate(&Config::new());
    assert_same(&lasting(&before), &lasting(&t.tree()));
}

#[test]
fn puts_back_what_it_replaced_on_deactivate() {
    let Some(t) = host() else { return };
    let before = t.tree();
    t.activate(&ours());
    t.run(&["status"])
        .exits(0)
        .says("backup: /etc/rich as it was before");
    t.run(&["deactivate"]).exits(0);
    assert_same(&lasting(&before), &lasting(&t.tree()));
    let left = fs::read_dir(t.path("var/lib/system-manager/backups"))
        .unwrap()
        .count();
    assert_eq!(left, 0, "backups that are no longer needed");
}

#[test]
fn puts_back_what_it_replaced_on_rollback() {
    let Some(t) = host() else { return };
    let source = t.source("other", "x\n");
    t.switch(&Config::new().source("other", "symlink", &source));
    let before = t.tree();
    t.switch(&ours().source("other", "symlink", &source));
    t.run(&["rollback"]).exits(0);
    assert_same(&lasting(&before), &lasting(&t.tree()));
}

#[test]
fn keeps_no_backup_in_etc() {
    let Some(t) = host() else { return };
    let before: Vec<String> = t.tree().into_keys().collect();
    t.activate(&ours());
    let after: Vec<String> = t.tree().into_keys().collect();
    assert_eq!(before, after);
}

#[test]
fn backups_are_for_root_only() {
    use std::os::unix::fs::MetadataExt;
    let Some(t) = host() else { return };
    t.activate(&ours());
    let mode = |path: &str| fs::metadata(t.path(path)).unwrap().mode() & 0o7777;
    assert_eq!(mode("var/lib/system-manager"), 0o711);
    assert_eq!(mode("var/lib/system-manager/state.json"), 0o600);
    assert_eq!(mode("var/lib/system-manager/backups"), 0o700);
    assert_eq!(mode("var/lib/system-manager/state.json"), 0o600);
}

#[test]
fn a_missing_backup_is_a_refusal_that_says_where_it_belongs() {
    let Some(t) = host() else { return };
    t.activate(&ours());
    let folder = t.path("var/lib/system-manager/backups");
    for backup in fs::read_dir(&folder).unwrap() {
        fs::remove_file(backup.unwrap().path()).unwrap();
    }
    t.refuses(
        &["deactivate"],
        &[
            "/etc/rich",
            "/etc/linked",
            "is missing",
            "hint: put the original there, as",
        ],
    );
}

#[test]
fn a_link_on_the_way_is_not_followed() {
    let Some(t) = Test::begin() else { return };
    t.write("outside/theirs", "theirs\n");
    std::os::unix::fs::symlink(t.path("outside"), t.path("etc/way")).unwrap();
    t.refuses_config(
        &Config::new().link("way/ours", "ours\n").replacing(),
        &[
            "/etc/way is a symbolic link where a folder must be",
            "hint:",
        ],
    );
}

#[test]
fn a_folder_of_ours_that_became_a_link_is_left_alone() {
    let Some(t) = Test::begin() else { return };
    t.write("outside/theirs", "theirs\n");
    t.activate(&Config::new().copy("way/ours", "0644", "ours\n"));
    fs::remove_dir_all(t.path("etc/way")).unwrap();
    std::os::unix::fs::symlink(t.path("outside"), t.path("etc/way")).unwrap();
    t.write("outside/ours", "not ours\n");
    let outside = t.tree();
    t.run(&["deactivate"]).exits(0);
    assert_same(&lasting(&outside), &lasting(&t.tree()));
    assert_eq!(t.read("outside/ours"), "not ours\n");
}

#[test]
fn a_foreign_unit_or_link_of_one_is_replaced_where_that_is_wanted_and_comes_back() {
    let Some(t) = Test::begin() else { return };
    let source = t.source("app.service", "[Service]\nExecStart=/bin/true\n");
    let unit = serde_json::json!({ "app.service": {
        "source": source, "overrideStrategy": "asDropinIfExists", "aliases": [],
        "wantedBy": ["multi-user.target"], "requiredBy": [], "upheldBy": [],
    }});
    let wants = "systemd/system/multi-user.target.wants/app.service";
    t.write("etc/systemd/system/app.service", "theirs\n");
    std::fs::create_dir_all(t.path(&format!("etc/{wants}")).parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/lib/theirs.service", t.path(&format!("etc/{wants}"))).unwrap();
    let before = t.tree();
    let config = Config::new().field("units", unit);
    // By the link somebody has enabled it; that comes back without being asked for.
    t.refuses_config(
        &config,
        &[
            "`system-manager.replaceExisting = [ \"systemd/system/app.service\" ]`",
            "1 conflict.",
        ],
    );
    let unit = serde_json::json!(["systemd/system/app.service"]);
    t.activate(&config.clone().field("replaceExisting", unit));
    assert!(
        t.read("etc/systemd/system/app.service")
            .contains("/bin/true")
    );
    t.run(&["deactivate"]).exits(0);
    let what = |tree: &crate::cli::story::Tree| -> Vec<String> {
        tree.iter()
            .map(|(path, s)| format!("{path} {}", s.what))
            .collect()
    };
    assert_eq!(what(&before), what(&t.tree()));
    let wrong = config.field("replaceExisting", serde_json::json!(["no/such"]));
    t.refuses_config(
        &wrong,
        &[
            "contains `no/such`, but the configuration has no such file",
            "hint:",
        ],
    );
}

/// What a host has kept of foreign files and of edits.
fn kept(t: &Test) -> String {
    let backups = fs::read_dir(t.path("var/lib/system-manager/backups")).unwrap();
    backups
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect()
}

#[test]
fn what_has_no_place_any_more_is_not_put_back_and_kept() {
    // What is made by hand, what is wanted then, and what is said of the file that has no place.
    let deep = Config::new().link("a/b/c", "ours\n").replacing();
    let made_a_file = deep.clone().copy("a/b/x", "0644", "ours\n").replacing();
    let cases = [
        (
            "rm -r a",
            deep,
            Config::new().link("a", "new\n"),
            "/etc/a is no longer a folder",
        ),
        (
            "rm z; mkdir z",
            Config::new().copy("z", "0644", "ours\n").replacing(),
            Config::new().copy("z/x", "0644", "new\n"),
            "somebody has created a folder in its place",
        ),
        (
            "rm -r a",
            made_a_file,
            Config::new().copy("a/b", "0644", "new\n"),
            "/etc/a/b is no longer a folder",
        ),
    ];
    for (by_hand, first, then, why) in cases {
        let Some(t) = Test::begin() else { return };
        t.write("etc/a/b/c", "theirs\n");
        t.write("etc/a/b/x", "theirs\n");
        t.write("etc/z", "theirs\n");
        t.activate(&first);
        let script = std::process::Command::new("sh")
            .args(["-euc", by_hand])
            .current_dir(t.path("etc"))
            .status();
        assert!(script.unwrap().success());
        let toplevel = t.build(&then);
        t.run(&["plan".as_ref(), toplevel.as_os_str()]).says(why);
        t.activate(&then);
        assert!(kept(&t).contains("theirs\n"), "{by_hand}: lost");
        t.run(&["status"]).exits(0);
        t.run(&["deactivate"]).exits(0);
        assert!(
            kept(&t).contains("theirs\n"),
            "{by_hand}: lost by the way back"
        );
    }
}

#[test]
fn of_two_files_that_can_not_both_be_put_back_one_is_kept() {
    let Some(t) = Test::begin() else { return };
    t.write("etc/a", "theirs, first\n");
    t.activate(&Config::new().copy("a", "0644", "ours\n").replacing());
    t.activate(&Config::new().copy("a/b/c", "0644", "ours\n"));
    // In the folder that is ours, and goes again.
    t.write("etc/a/b/x", "theirs, later\n");
    let config = Config::new().copy("a/b/c", "0644", "ours\n");
    t.activate(&config.copy("a/b/x", "0644", "ours\n").replacing());
    t.run(&["deactivate"]).exits(0);
    assert_eq!(t.read("etc/a"), "theirs, first\n");
    assert!(kept(&t).contains("theirs, later\n"));
}
