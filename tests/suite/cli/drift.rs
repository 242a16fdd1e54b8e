//! What was changed by hand: shown, kept, put right.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::cli::story::{Config, Test};

fn kept(t: &Test) -> Vec<String> {
    let mut kept: Vec<String> = fs::read_dir(t.path("var/lib/system-manager/backups"))
        .unwrap()
        .map(|e| fs::read_to_string(e.unwrap().path()).unwrap())
        .collect();
    kept.sort();
    kept
}

#[test]
fn hundreds_of_edits_that_are_alike_are_told_in_a_screen() {
    let Some(t) = Test::begin() else { return };
    let names = || (0..260).map(|number| format!("many/file-{number}"));
    let config = names().fold(Config::new(), |config, name| {
        config.copy(&name, "0644", "ours\n")
    });
    let toplevel = t.build(&config);
    t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
    for name in names() {
        t.write(&format!("etc/{name}"), "edited\n");
    }
    let plan = t.run(&["plan".as_ref(), toplevel.as_os_str()]).exits(0);
    let plan = plan.says("and 250 more like those above (-v shows them)");
    let lines = plan.stdout.lines().count();
    assert!(lines < 100, "{lines} lines: {}", plan.stdout);
    let all = t.run(&["plan".as_ref(), toplevel.as_os_str(), "-v".as_ref()]);
    assert_eq!(all.stdout.matches("~ /etc/many/file-").count(), 260);
}

#[test]
fn an_edit_is_shown_kept_and_put_right() {
    let Some(t) = Test::begin() else { return };
    let config = Config::new()
        .copy("edited", "0644", "ours\n")
        .link("gone", "x\n")
        .copy("chmodded", "0600", "y\n");
    let toplevel = t.build(&config);
    t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
    t.write("etc/edited", "edited\n")
        .give("etc/edited", 0o664, 0, 34)
        .give("etc/chmodded", 0o666, 0, 0);
    fs::remove_file(t.path("etc/gone")).unwrap();

    t.run(&["status"])
        .exits(0)
        .says("drift: /etc/edited was changed by hand")
        .says("drift: /etc/chmodded was given another mode or owner by hand")
        .says("drift: /etc/gone was removed by hand");
    t.run(&[
        "plan".as_ref(),
        toplevel.as_os_str(),
        "--detailed-exitcode".as_ref(),
    ])
    .exits(10)
    .says("it was changed by hand")
    .says("that version is backed up as")
    .says("-edited")
    .says("+ours");
    t.run(&["activate".as_ref(), toplevel.as_os_str()])
        .exits(0)
        .says("2 edits backed up");
    assert_eq!(t.read("etc/edited"), "ours\n");
    assert_eq!(t.read("etc/gone"), "x\n");
    assert_eq!(
        fs::metadata(t.path("etc/chmodded")).unwrap().mode() & 0o7777,
        0o600
    );
    assert_eq!(kept(&t), ["edited\n", "y\n"]);
    t.run(&["status"])
        .exits(0)
        .says("backup of an edit: /etc/edited")
        .never_says("drift");
    t.run(&["deactivate"]).exits(0);
    assert_eq!(
        kept(&t),
        ["edited\n", "y\n"],
        "kept edits outlive everything"
    );
}

#[test]
fn an_edit_of_a_file_that_goes_is_kept() {
    let Some(t) = Test::begin() else { return };
    t.write("etc/b", "theirs\n");
    t.activate(
        &Config::new()
            .copy("a", "0644", "ours\n")
            .copy("b", "0644", "ours\n")
            .replacing(),
    );
    t.write("etc/a", "edited a\n").write("etc/b", "edited b\n");
    t.activate(&Config::new());
    assert!(!t.path("etc/a").exists());
    assert_eq!(t.read("etc/b"), "theirs\n");
    assert_eq!(kept(&t), ["edited a\n", "edited b\n"]);
}

#[test]
fn a_secret_is_never_shown() {
    let Some(t) = Test::begin() else { return };
    t.activate(
        &Config::new().copy("secret", "0600", "old password\n").copy(
            "open",
            "0644",
            "old public\n",
        ),
    );
    let next =
        Config::new()
            .copy("secret", "0644", "new password\n")
            .copy("open", "0600", "new public\n");
    let toplevel = t.build(&next);
    for options in [&["plan"][..], &["--json", "plan"][..]] {
        let mut arguments: Vec<&std::ffi::OsStr> = options.iter().map(AsRef::as_ref).collect();
        arguments.push(toplevel.as_os_str());
        t.run(&arguments)
            .exits(0)
            .says("not shown")
            .never_says("password")
            .never_says("public");
    }
}

#[test]
fn a_folder_in_the_place_of_a_file_of_ours_is_refused_or_left() {
    let Some(t) = Test::begin() else { return };
    let config = Config::new().copy("it", "0644", "ours\n");
    t.activate(&config);
    fs::remove_file(t.path("etc/it")).unwrap();
    t.write("etc/it/inside", "theirs\n");
    t.refuses_config(
        &config,
        &["/etc/it is a folder, but a file must be there", "hint:"],
    );
    t.run(&["deactivate"]).exits(0);
    assert_eq!(t.read("etc/it/inside"), "theirs\n");
}

#[test]
fn what_lost_its_folder_is_put_back_all_the_same() {
    let Some(t) = Test::begin() else { return };
    t.write("etc/some/folder/file", "theirs\n");
    t.activate(
        &Config::new()
            .copy("some/folder/file", "0644", "ours\n")
            .replacing(),
    );
    fs::remove_dir_all(t.path("etc/some")).unwrap();
    t.run(&["deactivate"]).exits(0);
    assert_eq!(t.read("etc/some/folder/file"), "theirs\n");
    t.run(&["plan", "--deactivate", "--detailed-exitcode"])
        .exits(0);
}

#[test]
fn the_mode_and_owner_of_a_folder_of_ours_are_shown_and_put_right() {
    let Some(t) = Test::begin() else { return };
    let config = Config::new()
        .copy("app/conf.d/a", "0644", "ours\n")
        .link("app/b", "x\n");
    let toplevel = t.build(&config);
    let activate = || t.run(&["activate".as_ref(), toplevel.as_os_str()]);
    activate().exits(0);
    t.give("etc/app", 0o700, 0, 34)
        .give("etc/app/conf.d", 0o1777, 0, 0);
    t.run(&["status"])
        .exits(0)
        .says("drift: the folder /etc/app was given mode 0700, owner 0:34 by hand")
        .says("drift: the folder /etc/app/conf.d was given mode 1777, owner 0:0 by hand");
    t.run(&["plan".as_ref(), toplevel.as_os_str()])
        .exits(0)
        .says("~ /etc/app/ (mode 0755, owner 0:0)")
        .says("it was given mode 0700, owner 0:34 by hand")
        .says("2 to change");
    activate().exits(0);
    for folder in ["etc/app", "etc/app/conf.d"] {
        let found = fs::metadata(t.path(folder)).unwrap();
        assert_eq!((found.mode() & 0o7777, found.gid()), (0o755, 0), "{folder}");
    }
    t.run(&["status"]).exits(0).never_says("drift");
    activate().exits(0).says("No changes");

    // What a rule or the package manager says of a folder is theirs to say.
    t.give("etc/app", 0o700, 0, 0)
        .give("etc/app/conf.d", 0o750, 0, 0);
    t.write("usr/lib/tmpfiles.d/x.conf", "z /etc/a?p 0700 - - -\n");
    t.write(
        "var/lib/dpkg/statoverride",
        "root root 0750 /etc/app/conf.d\n",
    );
    t.run(&["status"]).exits(0).never_says("drift");
    activate().exits(0).says("No changes");
    fs::remove_file(t.path("etc/app/b")).unwrap();
    t.run(&["deactivate"]).exits(0);
    assert!(!t.path("etc/app").exists());
}
