//! Saved plans, the profile and going back.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;

use crate::cli::story::{Config, Ran, Test, assert_same, lasting};

#[test]
fn a_saved_plan_is_applied_once() {
    let Some(t) = Test::begin() else { return };
    let plan = t.save_plan(&Config::new().copy("a", "0644", "1\n"));
    assert!(!t.path("etc/a").exists());
    t.run(&["switch".as_ref(), plan.as_os_str()])
        .exits(0)
        .says("Activated: 1 added");
    assert_eq!(t.read("etc/a"), "1\n");
    t.run(&["generations"]).exits(0).says("*    1");
    t.refuses(
        &["switch".as_ref(), plan.as_os_str()],
        &["stale", "hint: make a new one"],
    );
}

#[test]
fn what_garbage_collection_forgets_is_in_its_json() {
    let Some(t) = Test::begin() else { return };
    for text in ["1\n", "2\n", "3\n"] {
        t.switch(&Config::new().copy("a", "0644", text));
    }
    let would = t.run(&["gc", "--keep", "1", "--dry-run", "--json"]);
    assert_eq!(would.exits(0).json()["generations"], json!([1, 2]));
    let did = t.run(&["gc", "--keep", "1", "--json"]);
    assert_eq!(did.exits(0).json()["generations"], json!([1, 2]));
    t.run(&["generations"]).says("*    3").never_says("   2");
}

#[test]
fn a_plan_is_stale_after_any_change() {
    type Change = fn(&Test);
    let changes: [(&str, Change); 5] = [
        ("a target appeared", |t| {
            t.write("etc/new", "theirs\n");
        }),
        ("ours was edited", |t| {
            t.write("etc/old", "edited\n");
        }),
        ("ours was removed", |t| {
            fs::remove_file(t.path("etc/old")).unwrap();
        }),
        ("another activation", |t| {
            t.activate(
                &Config::new()
                    .copy("old", "0644", "old\n")
                    .copy("third", "0644", "3\n"),
            );
        }),
        ("the source changed", |t| {
            t.source("given", "other\n");
        }),
    ];
    for (why, change) in changes {
        let Some(t) = Test::begin() else { return };
        t.activate(&Config::new().copy("old", "0644", "old\n"));
        let given = t.source("given", "given\n");
        let next = Config::new()
            .copy("old", "0644", "old\n")
            .source("new", "0644", given);
        let plan = t.save_plan(&next);
        change(&t);
        let before = t.everything();
        let ran = t.run(&["switch".as_ref(), plan.as_os_str()]).exits(1);
        assert!(ran.stderr.contains("stale"), "{why}: {}", ran.stderr);
        assert_same(&before, &t.everything());
    }
}

#[test]
fn a_plan_that_is_none_is_refused() {
    let Some(t) = Test::begin() else { return };
    let plan = t.beside("plan");
    for (text, why) in [
        ("", "EOF"),
        ("{}", "missing field"),
        ("{\"version\": 1}", "missing field"),
    ] {
        fs::write(&plan, text).unwrap();
        t.refuses(
            &["switch".as_ref(), plan.as_os_str()],
            &["reading the plan", why, "hint:"],
        );
    }
    fs::remove_file(&plan).unwrap();
    t.refuses(
        &["switch".as_ref(), plan.as_os_str()],
        &["reading the plan", "No such file", "hint:"],
    );
}

#[test]
fn rolls_back_to_the_generation_before_and_to_a_named_one() {
    let Some(t) = Test::begin() else { return };
    for n in 1..=3 {
        t.switch(
            &Config::new()
                .copy("n", "0644", &format!("{n}\n"))
                .link(&format!("only{n}"), "x\n"),
        );
    }
    t.run(&["generations"]).exits(0).says("*    3");
    t.run(&["rollback"]).exits(0);
    assert_eq!(t.read("etc/n"), "2\n");
    t.run(&["generations"]).exits(0).says("*    2");
    t.run(&["rollback"]).exits(0);
    assert_eq!(t.read("etc/n"), "1\n");
    assert!(t.path("etc/only1").exists() && !t.path("etc/only2").exists());
    t.refuses(&["rollback"], &["no generation to roll back to", "hint:"]);
    t.refuses(
        &["rollback", "--to", "9"],
        &["there is no generation 9", "hint:"],
    );
    t.run(&["rollback", "--to", "3"]).exits(0);
    assert_eq!(t.read("etc/n"), "3\n");
    t.run(&["status"]).exits(0).says("active: generation 3");
    // A switch after a rollback is a generation of its own.
    t.switch(&Config::new().copy("n", "0644", "4\n"));
    t.run(&["generations"]).exits(0).says("*    4");
}

#[test]
fn rolls_back_past_generations_that_are_the_same() {
    let Some(t) = Test::begin() else { return };
    t.switch(&Config::new().copy("n", "0644", "1\n"));
    let second = t.build(&Config::new().copy("n", "0644", "2\n"));
    let register = ["register".as_ref(), second.as_os_str()];
    t.run(&register).exits(0).says("generation 2");
    t.run(&["rollback", "--to", "1"]).exits(0);
    // What is the newest already gets no second number, as with Nix; other tools may give it one.
    t.run(&register).exits(0).says("generation 2");
    let profiles = t.path("nix/var/nix/profiles/system-manager-profiles");
    symlink(&second, profiles.join("system-manager-3-link")).unwrap();
    fs::remove_file(profiles.join("system-manager")).unwrap();
    symlink("system-manager-3-link", profiles.join("system-manager")).unwrap();
    t.run(&["activate"]).exits(0);
    t.run(&["rollback"]).exits(0);
    assert_eq!(t.read("etc/n"), "1\n");
}

#[test]
fn registers_without_activating() {
    let Some(t) = Test::begin() else { return };
    let before = t.tree();
    let toplevel = t.build(&Config::new().copy("a", "0644", "1\n"));
    t.run(&["register".as_ref(), toplevel.as_os_str()])
        .exits(0)
        .says("generation 1");
    t.run(&["generate".as_ref(), toplevel.as_os_str()])
        .exits(0)
        .says("generation 1");
    assert_same(&before, &t.tree());
    t.run(&["status"]).exits(0).says("nothing is active");
    t.run(&["activate"]).exits(0);
    assert_eq!(t.read("etc/a"), "1\n");
    t.run(&["deactivate"]).exits(0);
    assert_same(&lasting(&before), &lasting(&t.tree()));
    // The generation is still there to come back to.
    t.run(&["activate"]).exits(0);
    assert_eq!(t.read("etc/a"), "1\n");
}

#[test]
fn only_a_toplevel_is_registered() {
    let Some(t) = Test::begin() else { return };
    let folder = t.beside("sources");
    t.refuses(
        &["register".as_ref(), folder.as_os_str()],
        &["manifest.json", "hint:"],
    );
    t.refuses(&["register", "/no/such/toplevel"], &["/no/such/toplevel"]);
    t.refuses(&["activate"], &["no generation is registered", "hint:"]);
}

#[test]
fn a_generation_whose_toplevel_is_gone_is_refused() {
    let Some(t) = Test::begin() else { return };
    let first = t.build(&Config::new().copy("n", "0644", "1\n"));
    t.run(&["register".as_ref(), first.as_os_str()]).exits(0);
    t.run(&["activate"]).exits(0);
    t.switch(&Config::new().copy("n", "0644", "2\n"));
    fs::remove_dir_all(&first).unwrap();
    t.refuses(&["rollback"], &["manifest.json", "hint:"]);
}

#[test]
fn a_check_that_refuses_leaves_everything_as_it_was() {
    let Some(t) = Test::begin() else { return };
    t.switch(&Config::new().copy("n", "0644", "1\n"));
    let script = t.source(
        "check",
        "#!/bin/sh\necho not on this host, ${1##*/} of ${0##*/}, to $2\nexit 7\n",
    );
    std::os::unix::fs::chown(&script, None, None).unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let checks = serde_json::json!([{ "name": "is-it-here", "script": script }]);
    let config = Config::new()
        .copy("n", "0644", "2\n")
        .field("preActivationChecks", checks);
    let plan = t.save_plan(&config);
    t.refuses(
        &["switch".as_ref(), plan.as_os_str()],
        &[
            "is-it-here",
            "exit status 7",
            "not on this host, toplevel-1 of check, to switch",
        ],
    );
}

#[test]
fn a_check_has_its_time() {
    let Some(t) = Test::begin() else { return };
    let script = t.source("check", "#!/bin/sh\nexec sleep 600\n");
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let checks = serde_json::json!([{ "name": "hangs", "script": script }]);
    let config = Config::new()
        .copy("n", "0644", "2\n")
        .field("preActivationChecks", checks);
    let toplevel = t.build(&config);
    let begun = std::time::Instant::now();
    t.refuses(
        &[
            "activate".as_ref(),
            toplevel.as_os_str(),
            "--unit-timeout".as_ref(),
            "1".as_ref(),
        ],
        &["running the check `hangs`"],
    );
    assert!(begun.elapsed().as_secs() < 300, "it was waited for");
}

#[test]
fn deactivating_twice_is_nothing_to_do() {
    let Some(t) = Test::begin() else { return };
    t.run(&["deactivate"]).exits(0).says("No changes");
    t.activate(&Config::new().copy("n", "0644", "1\n"));
    t.run(&["deactivate"])
        .exits(0)
        .says("Deactivated: 0 added, 0 changed, 1 removed");
    t.run(&["deactivate"]).exits(0).says("No changes");
}

#[test]
fn what_is_built_is_kept_from_the_garbage_collector_until_it_is_registered() {
    let Some(t) = Test::begin() else { return };
    let toplevel = t.build(&Config::new().copy("a", "0644", "1\n"));
    let (folder, seen) = (t.beside("bin"), t.beside("seen"));
    fs::create_dir(&folder).unwrap();
    // In place of Nix: makes the link as it does, and tells where.
    let script = format!(
        "#!/bin/sh\nfor word; do\n  [ \"$last\" = --out-link ] && link=$word\n  last=$word\ndone\nln -s {0} \"$link\" && echo \"$link\" >{1} && echo {0}\n",
        toplevel.display(),
        seen.display()
    );
    let fake = folder.join("nix-build");
    fs::write(&fake, script).unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    let file = t.source("system.nix", "{ }\n");
    let mut command = t.command(&["register".as_ref(), "--file".as_ref(), file.as_os_str()]);
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let output = command
        .env("PATH", path)
        .env("HOME", t.beside("home"))
        .output();
    Ran::new(&output.unwrap()).exits(0).says("generation 1: ");
    let link = fs::read_to_string(&seen).unwrap();
    let folder = Path::new(link.trim()).parent().unwrap();
    assert!(!folder.exists(), "{} stays", folder.display());
}
