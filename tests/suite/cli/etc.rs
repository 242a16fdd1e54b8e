//! Placing and removing files.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::cli::story::{Config, Test, assert_same, lasting};

#[test]
fn places_links_and_copies_with_modes_and_owners() {
    let Some(t) = Test::begin() else { return };
    t.activate(
        &Config::new()
            .link("linked", "one\n")
            .copy("deep/er/secret", "0600", "two\n")
            .copy("setuid", "4755", "three\n")
            .owned_by("web", "web")
            .copy("shared", "2664", "four\n")
            .owned_by("+7", "+8"),
    );
    assert_eq!(t.read("etc/linked"), "one\n");
    assert!(t.path("etc/linked").is_symlink());
    let meta = |path: &str| {
        let m = fs::symlink_metadata(t.path(path)).unwrap();
        assert!(m.is_file(), "{path}");
        (m.mode() & 0o7777, m.uid(), m.gid())
    };
    assert_eq!(meta("etc/deep/er/secret"), (0o600, 0, 0));
    assert_eq!(meta("etc/setuid"), (0o4755, 33, 34));
    assert_eq!(meta("etc/shared"), (0o2664, 7, 8));
    let folder = fs::metadata(t.path("etc/deep/er")).unwrap();
    assert_eq!(folder.mode() & 0o7777, 0o755);
}

#[test]
fn changing_only_mode_or_owner_is_a_change() {
    let Some(t) = Test::begin() else { return };
    t.activate(&Config::new().copy("a", "0644", "same\n"));
    let next = Config::new()
        .copy("a", "4750", "same\n")
        .owned_by("web", "web");
    let toplevel = t.build(&next);
    t.run(&["plan".as_ref(), toplevel.as_os_str()])
        .exits(0)
        .says("mode 0644 becomes 4750, owner 0:0 becomes 33:34");
    t.activate(&next);
    let meta = fs::metadata(t.path("etc/a")).unwrap();
    assert_eq!(
        (meta.mode() & 0o7777, meta.uid(), meta.gid()),
        (0o4750, 33, 34)
    );
}

#[test]
fn a_glob_places_what_matches_and_a_folder_is_linked_or_copied() {
    let Some(t) = Test::begin() else { return };
    let conf = t.source("many/a.conf", "a\n");
    t.source("many/b.conf", "b\n");
    t.source("many/c.txt", "c\n");
    t.source("many/.hidden.conf", "h\n");
    t.source("many/sub/d.conf", "d\n");
    let folder = conf.parent().unwrap();
    t.activate(
        &Config::new()
            .source("globbed", "symlink", folder.join("*.conf"))
            .source("linked", "symlink", folder)
            .source("copied", "0640", folder),
    );
    let below = |place: &str| -> Vec<String> {
        let top = format!("{place}/");
        t.tree()
            .keys()
            .filter_map(|k| k.strip_prefix(&top))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(below("globbed"), ["a.conf", "b.conf"]);
    assert!(t.path("etc/globbed/a.conf").is_symlink());
    assert_eq!(fs::read_link(t.path("etc/linked")).unwrap(), folder);
    assert_eq!(
        below("copied"),
        [
            ".hidden.conf",
            "a.conf",
            "b.conf",
            "c.txt",
            "sub",
            "sub/d.conf"
        ]
    );
    assert_eq!(
        fs::metadata(t.path("etc/copied/sub/d.conf"))
            .unwrap()
            .mode()
            & 0o7777,
        0o640
    );
    t.activate(&Config::new());
    assert!(
        t.tree().keys().all(|k| !k.contains('/')),
        "{:#?}",
        t.tree().keys()
    );
}

#[test]
fn removes_what_is_dropped_and_the_folders_that_held_it() {
    let Some(t) = Test::begin() else { return };
    let before = t.tree();
    t.write("etc/theirs/keep", "theirs\n");
    let with_theirs = t.tree();
    t.activate(
        &Config::new()
            .link("x/y/z", "1\n")
            .link("theirs/ours", "2\n")
            .copy("top", "0644", "3\n"),
    );
    t.activate(&Config::new().link("x/other", "1\n"));
    assert!(t.path("etc/x/other").is_symlink());
    assert!(!t.path("etc/x/y").exists());
    t.run(&["deactivate"]).exits(0);
    assert_eq!(lasting(&t.tree()), lasting(&with_theirs));
    fs::remove_dir_all(t.path("etc/theirs")).unwrap();
    assert_eq!(lasting(&t.tree()), lasting(&before));
}

#[test]
fn a_folder_of_ours_with_foreign_files_stays() {
    let Some(t) = Test::begin() else { return };
    t.activate(&Config::new().link("x/ours", "1\n"));
    t.write("etc/x/theirs", "theirs\n");
    t.run(&["deactivate"]).exits(0);
    assert_eq!(t.read("etc/x/theirs"), "theirs\n");
    assert!(!t.path("etc/x/ours").exists());
    t.run(&["plan", "--deactivate", "--detailed-exitcode"])
        .exits(0);
}

#[test]
fn rewrites_nothing_that_is_right() {
    let Some(t) = Test::begin() else { return };
    let config = Config::new()
        .link("a/one", "1\n")
        .copy("a/two", "0644", "2\n")
        .copy("b", "4755", "3\n");
    let toplevel = t.build(&config);
    t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
    let before = t.everything();
    t.run(&["activate".as_ref(), toplevel.as_os_str()])
        .exits(0)
        .says("No changes");
    t.run(&[
        "plan".as_ref(),
        toplevel.as_os_str(),
        "--detailed-exitcode".as_ref(),
    ])
    .exits(0);
    assert_same(&before, &t.everything());

    let next = t.build(&config.copy("c", "0644", "4\n"));
    // The sources of the first three have other paths now; the copies keep their content.
    t.run(&["activate".as_ref(), next.as_os_str()]).exits(0);
    let after = t.everything();
    for copy in ["etc/a/two", "etc/b"] {
        assert_eq!(before[copy], after[copy], "{copy}");
    }
}

#[test]
fn a_file_becomes_a_folder_and_back() {
    let Some(t) = Test::begin() else { return };
    let before = t.tree();
    let file = Config::new().copy("it", "0644", "file\n");
    let folder = Config::new()
        .link("it/is/deep", "folder\n")
        .copy("it/too", "0600", "x\n");
    for config in [&file, &folder, &file, &folder] {
        t.activate(config);
    }
    assert_eq!(t.read("etc/it/is/deep"), "folder\n");
    t.activate(&file);
    assert_eq!(t.read("etc/it"), "file\n");
    t.run(&["deactivate"]).exits(0);
    assert_same(&lasting(&before), &lasting(&t.tree()));
}

#[test]
fn a_backup_is_carried_when_a_file_becomes_a_folder_and_back() {
    let Some(t) = Test::begin() else { return };
    t.write("etc/it", "theirs\n").give("etc/it", 0o640, 33, 34);
    let before = t.tree();
    let file = Config::new().copy("it", "0644", "file\n").replacing();
    let folder = Config::new().link("it/deep", "folder\n");
    t.activate(&file);
    t.activate(&folder);
    t.run(&["deactivate"]).exits(0);
    assert_same(&lasting(&before), &lasting(&t.tree()));
    for config in [&file, &folder, &file] {
        t.activate(config);
    }
    t.run(&["deactivate"]).exits(0);
    assert_same(&lasting(&before), &lasting(&t.tree()));
}

#[test]
fn units_masks_aliases_and_edges_become_files() {
    let Some(t) = Test::begin() else { return };
    let source = t.source("a.service", "[Service]\nExecStart=/bin/true\n");
    let mut units = serde_json::json!({});
    units["a.service"] = serde_json::json!({
        "source": source, "overrideStrategy": "asDropinIfExists", "aliases": ["b.service"],
        "wantedBy": ["multi-user.target"], "requiredBy": ["x.target"], "upheldBy": ["y.target"],
    });
    units["masked.service"] = serde_json::json!({
        "source": null, "overrideStrategy": "asDropinIfExists", "aliases": [],
        "wantedBy": [], "requiredBy": [], "upheldBy": [],
    });
    units["distro.service"] = serde_json::json!({
        "source": source, "overrideStrategy": "asDropin", "aliases": [],
        "wantedBy": [], "requiredBy": [], "upheldBy": [],
    });
    let before = t.tree();
    t.activate(&Config::new().field("units", units));
    let link = |name: &str| {
        let path = t.path("etc/systemd/system").join(name);
        fs::read_link(path).unwrap().to_str().unwrap().to_owned()
    };
    let file = source.to_str().unwrap();
    for (name, to) in [
        ("a.service", file),
        ("b.service", "a.service"),
        ("multi-user.target.wants/a.service", "../a.service"),
        ("x.target.requires/a.service", "../a.service"),
        ("y.target.upholds/a.service", "../a.service"),
        ("masked.service", "/dev/null"),
        ("distro.service.d/overrides.conf", file),
    ] {
        assert_eq!(link(name), to, "{name}");
    }
    t.run(&["deactivate"]).exits(0);
    assert_same(&lasting(&before), &lasting(&t.tree()));
}

#[test]
fn a_question_mark_in_a_name_is_no_pattern() {
    let Some(t) = Test::begin() else { return };
    let source = t.source("etc-a?b", "1\n");
    t.activate(&Config::new().source("x/a?b", "0644", source));
    assert_eq!(t.read("etc/x/a?b"), "1\n");
}
