//! A host that numtide/system-manager has managed: what its record names becomes ours, and goes back to what was before it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::cli::kill::kill_at_each;
use crate::cli::story::{Config, Test, assert_same};
use crate::cli::strace::has_strace;

const RECORD: &str = "var/lib/system-manager/state/system-manager-state.json";

/// What a path is, for comparisons before and after.
fn contents(t: &Test) -> BTreeMap<String, String> {
    let tree = t.tree().into_iter();
    tree.map(|(path, standing)| (path, standing.what)).collect()
}

/// A host before anybody came, and what its files are.
pub fn fresh() -> Option<(Test, BTreeMap<String, String>)> {
    let t = Test::begin()?;
    t.write("etc/motd", "theirs\n")
        .give("etc/motd", 0o640, 33, 34);
    t.write("etc/app.conf", "theirs too\n");
    t.write("etc/app/others", "theirs\n");
    fs::create_dir_all(t.path("etc/systemd/system")).unwrap();
    let before = contents(&t);
    Some((t, before))
}

/// What its activator does: links, copies, masks, files put aside, and a record.
pub fn manage(t: &Test) {
    let store = |name: &str, text: &str| {
        t.write(&format!("nix/store/{name}"), text);
        format!("/nix/store/{name}")
    };
    let link = |target: &str, text: &str| {
        let to = store(&format!("aaa-{}", target.replace('/', "-")), text);
        symlink(to, t.path(&format!("etc/{target}"))).unwrap();
    };
    for aside in ["motd", "app.conf"] {
        let path = t.path(&format!("etc/{aside}"));
        fs::rename(&path, format!("{}.system-manager-backup", path.display())).unwrap();
    }
    link("motd", "managed\n");
    link("app/linked", "linked\n");
    link(
        "systemd/system/job.service",
        "[Service]\nExecStart=/bin/true\n",
    );
    store("copies/app.conf", "managed\n");
    store("copies/app/edited", "managed\n");
    t.write("etc/app.conf", "managed\n")
        .give("etc/app.conf", 0o600, 0, 0);
    t.write("etc/app/edited", "by hand\n");
    symlink("/dev/null", t.path("etc/systemd/system/distro.service")).unwrap();
    let copy = |target: &str| json!({ "source": "/nix/store/copies", "target": target, "mode": "0600", "uid": 0 });
    let entries = json!({ "entries": { "a": copy("app.conf"), "b": copy("app/edited") }, "staticEnv": "/nix/store/x" });
    t.write("nix/store/top/etcFiles/etcFiles.json", &entries.to_string());
    t.write("nix/var/nix/gcroots/x", "");
    symlink(
        "/nix/store/top",
        t.path("nix/var/nix/gcroots/system-manager-current"),
    )
    .unwrap();
    write_record(
        t,
        &json!({
            "fileTree": {
                "files": ["/etc/app/linked", "/etc/app/edited", "/etc/systemd/system/job.service"],
                "backedUpFiles": ["/etc/motd", "/etc/app.conf"],
            },
            "services": { "job.service": { "storePath": "/nix/store/x" }, "distro.service": { "masked": true } },
            "version": 1,
        }),
    );
}

pub fn write_record(t: &Test, record: &Value) {
    t.write(RECORD, &record.to_string());
}

pub fn ours() -> Config {
    Config::new()
        .link("motd", "ours\n")
        .replacing()
        .copy("app/edited", "0600", "ours\n")
}

#[test]
fn what_it_placed_becomes_ours_and_what_was_before_it_comes_back() {
    let Some((t, before)) = fresh() else { return };
    manage(&t);
    t.run(&["status"])
        .exits(0)
        .says("numtide/system-manager manages this host");
    let toplevel = t.build(&ours());
    let managed = contents(&t);
    let plan = t.run(&["plan".as_ref(), toplevel.as_os_str()]).exits(0);
    for text in [
        "Taken over from numtide/system-manager",
        "5 files that it has installed",
        "the mask of distro.service",
        "/etc/motd.system-manager-backup becomes the backup of /etc/motd",
        "~ /etc/motd",
        "- /etc/app/linked",
        "it was changed by hand",
        "< /etc/app.conf",
        "- /etc/systemd/system/distro.service",
    ] {
        assert!(plan.stdout.contains(text), "{text}: {}", plan.stdout);
    }
    // A plan changes nothing.
    assert_same(&managed, &contents(&t));

    t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
    assert_eq!(t.read("etc/motd"), "ours\n");
    assert_eq!(t.read("etc/app.conf"), "theirs too\n");
    assert!(!t.path("etc/app/linked").exists());
    // Its own program finds nothing that it could undo.
    assert!(!t.path(RECORD).exists());
    t.run(&["status"])
        .exits(0)
        .never_says("numtide")
        .says("edit");
    t.run(&["plan".as_ref(), toplevel.as_os_str()])
        .exits(0)
        .says("No changes");

    t.run(&["deactivate"]).exits(0);
    assert_same(&before, &contents(&t));
}

#[test]
fn what_a_kill_has_left_of_it_goes_with_the_next_run() {
    let Some((t, before)) = fresh() else { return };
    manage(&t);
    t.switch(&ours());
    // Between the end of its record and of its root.
    let root = t.path("nix/var/nix/gcroots/system-manager-current");
    assert!(!root.is_symlink());
    symlink("/nix/store/top", &root).unwrap();
    t.run(&["deactivate"]).exits(0);
    assert!(!root.is_symlink());
    assert_same(&before, &contents(&t));
    // Without a record that was taken over, it is that program's.
    fs::remove_file(t.path(&format!("{RECORD}.taken-over"))).unwrap();
    symlink("/nix/store/top", &root).unwrap();
    t.switch(&Config::new().link("a", "1\n"));
    assert!(root.is_symlink());
}

/// The same record as the first version has it: a tree, in which each path is a node.
fn write_record_of_version_0(t: &Test) {
    let record: Value = serde_json::from_str(&t.read(RECORD)).unwrap();
    let mut tree = json!({ "status": "unmanaged", "path": "/", "nested": {} });
    for (list, status) in [("files", "managed"), ("backedUpFiles", "managedWithBackup")] {
        for path in record["fileTree"][list].as_array().unwrap() {
            let path = path.as_str().unwrap();
            let (mut node, mut at) = (&mut tree, String::new());
            for part in path.split('/').skip(1) {
                at = format!("{at}/{part}");
                node = &mut node["nested"][part];
                if node.is_null() {
                    *node = json!({ "status": "unmanaged", "path": at, "nested": {} });
                }
            }
            node["status"] = json!(status);
        }
    }
    write_record(
        t,
        &json!({ "fileTree": tree, "services": record["services"] }),
    );
}

#[test]
fn a_record_of_its_first_version_is_taken_over_alike() {
    let Some((t, before)) = fresh() else { return };
    manage(&t);
    let plan = || t.run(&["plan", "--deactivate"]).exits(0).stdout;
    let as_lists = plan();
    write_record_of_version_0(&t);
    assert_eq!(plan(), as_lists);
    t.run(&["deactivate"]).exits(0);
    assert_same(&before, &contents(&t));
}

#[test]
fn its_generations_are_none_to_go_back_to() {
    let Some((t, _)) = fresh() else { return };
    manage(&t);
    let profile = "nix/var/nix/profiles/system-manager-profiles";
    fs::create_dir_all(t.path(profile)).unwrap();
    let link = |name: &str, to: &str| symlink(to, t.path(&format!("{profile}/{name}"))).unwrap();
    link("system-manager-1-link", "/nix/store/top");
    link("system-manager", "system-manager-1-link");
    t.switch(&ours());
    t.run(&["generations"]).exits(0).says("*    2");
    t.run(&["rollback"])
        .exits(1)
        .says("no generation to roll back to");
    t.run(&["rollback", "--to", "1"])
        .exits(1)
        .says("generation 1 belongs to numtide/system-manager");
    assert_eq!(t.read("etc/motd"), "ours\n");
}

#[test]
fn it_can_be_taken_away_without_a_configuration_of_ours() {
    let Some((t, before)) = fresh() else { return };
    manage(&t);
    t.run(&["deactivate"]).exits(0);
    assert_same(&before, &contents(&t));
}

#[test]
fn a_takeover_may_be_killed_at_any_write() {
    let Some((t, _)) = fresh() else { return };
    if !has_strace() {
        return;
    }
    manage(&t);
    let kills = kill_at_each(&["renameat", "unlinkat"], &t, &t.build(&ours()));
    assert!(kills > 15, "only {kills} writes were found");
}

#[test]
fn what_it_lost_track_of_is_told_and_left_alone() {
    let Some((t, _)) = fresh() else { return };
    manage(&t);
    symlink("/nix/store/gone-orphan", t.path("etc/orphan")).unwrap();
    t.write("etc/left.system-manager-backup", "old\n");
    fs::remove_file(t.path("etc/app.conf.system-manager-backup")).unwrap();
    fs::remove_file(t.path("etc/app/linked")).unwrap();
    t.write("etc/app/linked", "somebody's\n");
    t.run(&["plan", "--deactivate"])
        .exits(0)
        .says("/etc/orphan points to /nix/store/gone-orphan, and is not recorded anywhere")
        .says("/etc/left.system-manager-backup is a backup without")
        .says("nothing can be restored at /etc/app.conf")
        .says("/etc/app/linked differs from what it has put there");
    t.run(&["deactivate"]).exits(0);
    assert_eq!(t.read("etc/left.system-manager-backup"), "old\n");
    assert_eq!(t.read("etc/app/linked"), "somebody's\n");
    assert!(t.path("etc/orphan").is_symlink());
}

#[test]
fn masks_of_units_that_are_gone_are_told() {
    let Some((t, _)) = fresh() else { return };
    manage(&t);
    for unit in ["gone.service", "there.service"] {
        symlink("/dev/null", t.path(&format!("etc/systemd/system/{unit}"))).unwrap();
    }
    t.write("usr/lib/systemd/system/there.service", "[Service]\n");
    t.run(&["plan", "--deactivate"])
        .exits(0)
        .says("/etc/systemd/system/gone.service masks a unit that does not exist")
        .never_says("there.service masks");
}

#[test]
fn what_leads_to_store_paths_that_are_gone_goes_and_what_was_before_it_comes_back() {
    let Some((t, _)) = fresh() else { return };
    manage(&t);
    for entry in fs::read_dir(t.path("nix/store"))
        .unwrap()
        .map(Result::unwrap)
    {
        let path = entry.path();
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
    // What it has copied can't be told from what others wrote.
    t.run(&["plan", "--deactivate"])
        .exits(0)
        .says("/etc/app.conf differs from what it has put there");
    t.run(&["deactivate"]).exits(0);
    assert_eq!(t.read("etc/motd"), "theirs\n");
    assert!(!t.path("etc/app/linked").is_symlink());
    assert_eq!(t.read("etc/app.conf"), "managed\n");
    assert_eq!(t.read("etc/app.conf.system-manager-backup"), "theirs too\n");
}

/// Its toplevel as it is, with the folder whose files it links to, and loses its record.
fn lose_record(t: &Test) {
    let folder = "nix/store/static";
    t.write(&format!("{folder}/motd"), "managed\n");
    fs::create_dir_all(t.path("nix/store/units")).unwrap();
    t.write("nix/store/units/job.service", "");
    t.write("nix/store/app/linked", "");
    fs::create_dir_all(t.path(&format!("{folder}/systemd"))).unwrap();
    // Folders are links to folders of other store paths.
    for (to, name) in [("app", "app"), ("units", "systemd/system")] {
        let name = t.path(&format!("{folder}/{name}"));
        symlink(format!("/nix/store/{to}"), name).unwrap();
    }
    let entries = "nix/store/top/etcFiles/etcFiles.json";
    t.write(
        entries,
        &t.read(entries).replace("/nix/store/x", "/nix/store/static"),
    );
    let record: Value = serde_json::from_str(&t.read(RECORD)).unwrap();
    t.write(
        "nix/store/top/services/services.json",
        &record["services"].to_string(),
    );
    fs::remove_file(t.path(RECORD)).unwrap();
}

#[test]
fn a_record_that_is_missing_is_made_up_for_by_the_toplevel() {
    let Some((t, before)) = fresh() else { return };
    manage(&t);
    lose_record(&t);
    // What is only described may be somebody's, if it is not what the toplevel has.
    fs::remove_file(t.path("etc/app/edited")).unwrap();
    t.write("etc/app/edited", "somebody's\n");
    let toplevel = t.build(&Config::new().link("motd", "ours\n").replacing());
    t.run(&["plan".as_ref(), toplevel.as_os_str()])
        .exits(0)
        .says("its record")
        .says("is missing: what its active toplevel describes is taken over")
        .says("4 files that it has installed")
        .says("the mask of distro.service")
        .says("/etc/motd.system-manager-backup becomes the backup of /etc/motd");
    t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
    assert_eq!(t.read("etc/app.conf"), "theirs too\n");
    t.run(&["deactivate"]).exits(0);
    assert_eq!(t.read("etc/app/edited"), "somebody's\n");
    fs::remove_file(t.path("etc/app/edited")).unwrap();
    assert_same(&before, &contents(&t));
}

#[test]
fn a_link_that_nothing_describes_is_no_original() {
    let orphan = |t: &Test| {
        fs::remove_file(t.path("etc/motd")).unwrap();
        symlink("/nix/store/of-an-old-generation", t.path("etc/motd")).unwrap();
    };
    let ours = || Config::new().link("motd", "ours\n").replacing();
    let never_comes_back = |t: &Test| {
        t.run(&["deactivate"]).exits(0);
        assert!(!t.path("etc/motd").is_symlink(), "it came back");
    };
    // Record and toplevel are gone.
    let Some((t, _)) = fresh() else { return };
    manage(&t);
    fs::remove_file(t.path(RECORD)).unwrap();
    fs::remove_dir_all(t.path("nix/store/top")).unwrap();
    orphan(&t);
    let toplevel = t.build(&ours());
    t.run(&["plan".as_ref(), toplevel.as_os_str()])
        .exits(0)
        .says("/etc/motd points to /nix/store/of-an-old-generation, and is not recorded anywhere: it is replaced, and not restored later");
    t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
    never_comes_back(&t);
    // The toplevel is there, and has placed nothing.
    let Some((t, _)) = fresh() else { return };
    manage(&t);
    fs::remove_file(t.path(RECORD)).unwrap();
    t.write("nix/store/top/etcFiles/etcFiles.json", r#"{"entries": {}}"#);
    orphan(&t);
    t.switch(&ours());
    never_comes_back(&t);
    // Only the toplevel's record does not name it.
    let Some((t, _)) = fresh() else { return };
    manage(&t);
    write_record(
        &t,
        &json!({ "fileTree": { "files": [], "backedUpFiles": [] }, "services": {}, "version": 1 }),
    );
    orphan(&t);
    t.switch(&ours());
    never_comes_back(&t);
    // The host was taken over long ago.
    let Some((t, _)) = fresh() else { return };
    manage(&t);
    t.switch(&Config::new());
    orphan(&t);
    t.switch(&ours());
    never_comes_back(&t);
    // Without its traces, a link into the store is somebody's.
    let Some((t, _)) = fresh() else { return };
    orphan(&t);
    t.switch(&ours());
    t.run(&["deactivate"]).exits(0);
    assert!(t.path("etc/motd").is_symlink(), "somebody's link is lost");
}

#[test]
fn a_record_and_a_toplevel_that_are_missing_are_told_where_something_was_placed() {
    let Some((t, _)) = fresh() else { return };
    manage(&t);
    let text = t.read(RECORD);
    fs::remove_file(t.path(RECORD)).unwrap();
    fs::rename(t.path("nix/store/top"), t.path("nix/store/moved")).unwrap();
    let toplevel = t.build(&Config::new().link("a", "1\n"));
    let plan = || t.run(&["plan".as_ref(), toplevel.as_os_str()]).exits(0);
    plan()
        .says("system-manager-state.json is missing: nothing of it can be taken over")
        .says("/etc/app/linked points to /nix/store/");
    // What is registered only has placed nothing.
    fs::rename(t.path("nix/store/moved"), t.path("nix/store/top")).unwrap();
    t.write(RECORD, &text);
    t.run(&["deactivate"]).exits(0);
    fs::remove_file(t.path(&format!("{RECORD}.taken-over"))).unwrap();
    symlink(
        "/nix/store/top",
        t.path("nix/var/nix/gcroots/system-manager-current"),
    )
    .unwrap();
    plan().never_says("is missing").never_says("numtide");
}

#[test]
fn a_record_that_is_cut_or_newer_is_refused_with_a_way_out() {
    let Some((t, _)) = fresh() else { return };
    manage(&t);
    let whole = t.read(RECORD);
    let newer = whole.replace("\"version\":1", "\"version\":7");
    for text in [&whole[..whole.len() / 2], "", &newer] {
        t.write(RECORD, text);
        let toplevel = t.build(&ours());
        t.refuses(
            &["activate".as_ref(), toplevel.as_os_str()],
            &[
                "the record of numtide/system-manager",
                "hint: deactivate with numtide's program",
            ],
        );
    }
}
