//! Input that is wrong: refused with a message that says where, why and what to do, and nothing is changed.

use std::fs;

use serde_json::{Value, json};

use crate::cli::story::{Config, Test, assert_same};

/// Refuses a manifest's text, naming its file.
#[track_caller]
fn refuses_text(t: &Test, text: &str, names: &[&str]) {
    let toplevel = t.build_text(text);
    let file = toplevel.join("manifest.json");
    let mut all = vec![file.to_str().unwrap(), "hint:"];
    all.extend(names);
    for command in ["plan", "activate", "register"] {
        t.refuses(&[command.as_ref(), toplevel.as_os_str()], &all);
    }
}

/// Refuses a manifest after this change of a good one.
#[track_caller]
fn refuses_changed(t: &Test, change: impl Fn(&mut Value), names: &[&str]) {
    let mut manifest = t.manifest(&Config::new().copy("good", "0644", "good\n"));
    change(&mut manifest);
    refuses_text(t, &manifest.to_string(), names);
}

#[test]
fn a_manifest_that_is_none() {
    let Some(t) = Test::begin() else { return };
    t.activate(&Config::new().copy("active", "0644", "1\n"));
    let good = t.manifest(&Config::new()).to_string();
    refuses_text(&t, "", &["is not a JSON object", "EOF"]);
    refuses_text(&t, "[1]", &["is wrong"]);
    refuses_text(&t, "7", &["is not a JSON object"]);
    refuses_text(&t, "{}", &["has no `version`"]);
    refuses_text(
        &t,
        &good[..good.len() / 2],
        &["is not a JSON object", "EOF"],
    );
    let empty = t.beside("empty");
    fs::create_dir(&empty).unwrap();
    t.refuses(
        &["activate".as_ref(), empty.as_os_str()],
        &["manifest.json", "No such file", "hint:"],
    );
    t.refuses(
        &["activate", "/no/such"],
        &["reading the toplevel /no/such", "hint:"],
    );
    t.refuses(
        &["plan", "/no/such"],
        &["reading the toplevel /no/such", "hint:"],
    );
}

#[test]
fn a_manifest_of_another_version_or_with_an_unknown_or_missing_field() {
    let Some(t) = Test::begin() else { return };
    refuses_changed(
        &t,
        |m| m["version"] = json!(2),
        &["version 2", "reads version 1"],
    );
    refuses_changed(&t, |m| m["version"] = json!("1"), &["version"]);
    refuses_changed(
        &t,
        |m| m["unheard"] = json!(1),
        &["unknown field `unheard`"],
    );
    refuses_changed(
        &t,
        |m| m["etc"]["good"]["colour"] = json!(1),
        &["etc.good", "unknown field `colour`"],
    );
    refuses_changed(
        &t,
        |m| {
            m["etc"]["good"].as_object_mut().unwrap().remove("user");
        },
        &["etc.good", "missing field `user`"],
    );
    refuses_changed(&t, |m| m["units"] = json!([]), &["units"]);
}

#[test]
fn a_generation_of_a_program_that_knew_no_scripts_is_no_bad_input() {
    let Some(t) = Test::begin() else { return };
    let mut manifest = t.manifest(&Config::new().copy("good", "0644", "good\n"));
    manifest
        .as_object_mut()
        .unwrap()
        .remove("activationScripts");
    let toplevel = t.build_text(&manifest.to_string());
    t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
    assert_eq!(t.read("etc/good"), "good\n");
}

#[test]
fn targets_that_leave_etc() {
    let Some(t) = Test::begin() else { return };
    for (target, why) in [
        ("../outside", "must not contain `.` or `..`"),
        ("a/../../outside", "must not contain `.` or `..`"),
        ("a/./b", "must not contain `.` or `..`"),
        ("/etc/motd", "must be relative to /etc"),
        ("a//b", "empty components"),
        ("a/", "empty components"),
        ("", "empty components"),
        ("a\0b", "NUL"),
        ("a\nb", "newline"),
        (&"x".repeat(256), "longer than 255"),
    ] {
        let entry = |m: &mut Value| m["etc"][target] = m["etc"]["good"].clone();
        refuses_changed(&t, entry, &["etc", why]);
    }
    refuses_changed(
        &t,
        |m| m["etc"]["good"]["source"] = json!("relative"),
        &["etc.good.source", "absolute"],
    );
    refuses_changed(
        &t,
        |m| m["etc"]["good"]["source"] = json!("/a/../b"),
        &["etc.good.source", "`..`"],
    );
    for mode in ["rw", "0999", "77777", "", "-644"] {
        refuses_changed(
            &t,
            |m| m["etc"]["good"]["mode"] = json!(mode),
            &["etc.good.mode", "octal"],
        );
    }
}

#[test]
fn names_that_are_no_units_or_files() {
    let Some(t) = Test::begin() else { return };
    let unit = json!({
        "source": null, "overrideStrategy": "asDropinIfExists", "aliases": [],
        "wantedBy": [], "requiredBy": [], "upheldBy": [],
    });
    for (name, why) in [
        ("nosuffix", "has no unit suffix"),
        ("a.servic", "known unit suffix"),
        ("../a.service", "may only contain"),
        ("a b.service", "may only contain"),
        (".service", "must have 1 to 255"),
    ] {
        refuses_changed(&t, |m| m["units"][name] = unit.clone(), &["units", why]);
        let alias = |m: &mut Value| {
            m["units"]["good.service"] = unit.clone();
            m["units"]["good.service"]["aliases"] = json!([name]);
        };
        refuses_changed(&t, alias, &["units.good.service.aliases", why]);
    }
    refuses_changed(
        &t,
        |m| m["tmpfiles"]["a/b"] = json!("/x"),
        &["tmpfiles", "must not contain `/`"],
    );
}

#[test]
fn one_place_wanted_twice_or_below_itself() {
    let Some(t) = Test::begin() else { return };
    t.refuses_config(
        &Config::new()
            .copy("a", "0644", "1\n")
            .copy("a/b", "0644", "2\n"),
        &["/etc/a/b is below /etc/a", "hint:"],
    );
    let source = t.source("many/b", "b\n");
    let glob = source.parent().unwrap().join("*");
    t.refuses_config(
        &Config::new()
            .copy("a/b", "0644", "2\n")
            .source("a", "symlink", glob),
        &["/etc/a/b is defined twice", "hint:"],
    );
}

#[test]
fn sources_and_owners_that_do_not_exist() {
    let Some(t) = Test::begin() else { return };
    t.refuses_config(
        &Config::new().source("a", "0644", "/no/such/source"),
        &["/no/such/source", "/etc/a", "No such file", "hint:"],
    );
    t.refuses_config(
        &Config::new().source(
            "a",
            "symlink",
            "/nix/store/00000000000000000000000000000000-no/such",
        ),
        &[
            "/nix/store/00000000000000000000000000000000-no/such",
            "/etc/a",
            "hint:",
        ],
    );
    t.refuses_config(
        &Config::new().source("a", "symlink", "/no/such/*.conf"),
        &["`a`", "nothing matches /no/such/*.conf", "hint:"],
    );
    t.refuses_config(
        &Config::new()
            .copy("a", "0644", "1\n")
            .owned_by("nobody-here", "root")
            .copy("b", "0644", "2\n")
            .owned_by("root", "no-group"),
        &[
            "/etc/a belongs to the user `nobody-here`, which does not exist",
            "/etc/b belongs to the group `no-group`, which does not exist",
            "hint:",
        ],
    );
}

#[test]
fn a_state_that_cannot_be_trusted() {
    let Some(t) = Test::begin() else { return };
    t.activate(&Config::new().copy("a", "0644", "1\n"));
    let toplevel = t.build(&Config::new().copy("b", "0644", "2\n"));
    let state = t.path("var/lib/system-manager/state.json");
    let good = fs::read_to_string(&state).unwrap();
    for (text, why, hint) in [
        (String::new(), "is empty", "previous version"),
        (
            good[..good.len() / 2].to_owned(),
            "is truncated",
            "previous version",
        ),
        (
            good.replace("\"mode\":420", "\"mode\":438"),
            "checksum",
            "previous version",
        ),
        (
            good.replacen("\"version\":3", "\"version\":4", 1),
            "newer",
            "newest generation",
        ),
        (
            good.replace("\"record\"", "\"rekord\""),
            "malformed",
            "previous version",
        ),
    ] {
        assert_ne!(text, good, "{why}");
        fs::write(&state, text).unwrap();
        for command in [
            vec!["activate".as_ref(), toplevel.as_os_str()],
            vec!["plan".as_ref(), toplevel.as_os_str()],
            vec!["deactivate".as_ref()],
            vec!["status".as_ref()],
        ] {
            t.refuses(&command, &["state.json", why, "hint:", hint]);
        }
    }
    // What the hint says works.
    fs::remove_file(&state).unwrap();
    t.refuses(
        &["status"],
        &[
            "state.json is missing",
            "hint: restore the previous version with `cp -a ",
        ],
    );
    fs::copy(t.path("var/lib/system-manager/state.json.previous"), &state).unwrap();
    t.run(&["status"]).exits(0);
    t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
    assert!(!t.path("etc/a").exists());
    assert_eq!(t.read("etc/b"), "2\n");
}

#[test]
fn a_command_line_that_is_wrong() {
    let Some(t) = Test::begin() else { return };
    for arguments in [
        &["nonsense"][..],
        &["plan", "--nonsense"],
        &["rollback", "--to", "x"],
        &["plan", "--deactivate", "/some/toplevel"],
        &["status", "-v", "-q"],
        &[],
    ] {
        t.run(arguments).exits(2).says("--help");
    }
}

#[test]
fn a_root_that_does_not_exist() {
    let Some(t) = Test::begin() else { return };
    let output = std::process::Command::new(crate::cli::story::PROGRAM)
        .args(["--root", "/no/such/root", "status"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("opening the root /no/such/root"), "{text}");
    // What has no remedy of its own ends with one, too.
    let last = "hint: correct this, and run the same command again\n";
    assert!(text.ends_with(last), "{text}");
    t.run(&["status"]).exits(0).says("nothing is active");
}

#[test]
fn a_journal_that_cannot_be_trusted() {
    let Some(t) = Test::begin() else { return };
    t.activate(&Config::new().copy("a", "0644", "1\n"));
    let toplevel = t.build(&Config::new().copy("b", "0644", "2\n"));
    let before = t.tree();
    for (text, why) in [
        ("", "its beginning is missing"),
        ("no journal\n", "line 1 is damaged"),
        ("{\"version\":3,\"sha256\":\"\",\"record\":{}}\n", "newer"),
    ] {
        t.write("var/lib/system-manager/journal", text);
        for command in [
            vec!["activate".as_ref(), toplevel.as_os_str()],
            vec!["deactivate".as_ref()],
            vec!["rollback".as_ref()],
            vec!["status".as_ref()],
        ] {
            t.refuses(&command, &["journal", why, "hint:"]);
        }
    }
    assert_same(&before, &t.tree());
    // What the hint says works.
    let journal = t.path("var/lib/system-manager/journal");
    fs::rename(&journal, journal.with_extension("damaged")).unwrap();
    t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
    assert_eq!(t.read("etc/b"), "2\n");
}
