//! tmpfiles rules on another root: what could not be done stays due.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::cli::story::{Config, Test};

pub fn rules(t: &Test, name: &str, text: &str) -> Value {
    json!({ "app.conf": t.source(name, text) })
}

#[test]
fn what_failed_of_a_rollback_is_tried_again_where_that_was_going() {
    let Some(t) = Test::begin() else { return };
    let folder = rules(&t, "one", "d /srv/app 0755 - - -\n");
    let first = Config::new().link("n", "1\n");
    let number = |n: &str| Config::new().link("n", n);
    t.switch(&first);
    t.switch(&number("2\n").field("tmpfiles", folder));
    t.switch(&number("3\n"));
    t.write("srv/app", "a file where a folder must go\n");
    let failed = t.run(&["rollback"]).exits(4);
    assert_eq!(t.read("etc/n"), "2\n");
    fs::remove_file(t.path("srv/app")).unwrap();
    let (_, hint) = failed
        .stderr
        .split_once("then run `system-manager ")
        .unwrap();
    let words: Vec<&str> = hint.split('`').next().unwrap().split(' ').collect();
    t.run(&words).exits(0);
    assert_eq!(t.read("etc/n"), "2\n");
    assert!(t.path("srv/app").is_dir());
    t.run(&["generations"]).says("*    2");
}

#[test]
fn a_rule_that_failed_is_tried_again_until_it_holds_or_goes() {
    let Some(t) = Test::begin() else { return };
    t.write("srv/app", "a file where a folder must go\n");
    let config = Config::new()
        .link("a", "1\n")
        .field("tmpfiles", rules(&t, "one", "d /srv/app 0755 - - -\n"));
    let toplevel = t.build(&config);
    let run = |word: &str| t.run(&[word.as_ref(), toplevel.as_os_str()]);
    let why = "/srv/app is a file already";
    run("activate").exits(4).says(why);
    // The second run knows of it, and tries again.
    for _ in 0..2 {
        t.run(&["status"])
            .exits(0)
            .says("tmpfiles rules that failed, and are tried again by the next run")
            .says(why);
        run("plan")
            .exits(0)
            .says("tried again, since it failed before")
            .never_says("No changes");
        run("activate").exits(4).says(why).never_says("No changes");
    }
    let json = t.run(&["--json", "status"]).exits(0).json();
    assert!(
        json["tmpfiles"][0].as_str().unwrap().contains(why),
        "{json}"
    );

    fs::remove_file(t.path("srv/app")).unwrap();
    run("activate").exits(0);
    assert!(t.path("srv/app").is_dir());
    t.run(&["status"]).exits(0).never_says("tmpfiles");
    run("activate").exits(0).says("No changes");

    // It fails again, and the rule goes: nothing is due any more.
    fs::remove_dir(t.path("srv/app")).unwrap();
    t.write("srv/app", "again\n");
    let more = Config::new().field(
        "tmpfiles",
        rules(&t, "two", "d /srv/app 0755 - - -\nd /srv/b - - - -\n"),
    );
    let more = t.build(&more);
    t.run(&["activate".as_ref(), more.as_os_str()]).exits(4);
    t.run(&["deactivate"]).exits(0);
    t.run(&["status"]).exits(0).never_says("tmpfiles");
    assert_eq!(t.read("srv/app"), "again\n");
    assert!(!t.path("srv/b").exists());
    t.run(&["deactivate"]).exits(0).says("No changes");
}

#[test]
fn what_could_not_be_taken_away_is_ours_still() {
    let Some(t) = Test::begin() else { return };
    let config = Config::new().field("tmpfiles", rules(&t, "one", "d /srv/app 0755 - - -\n"));
    let toplevel = t.build(&config);
    t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
    let busy = "mount -t tmpfs none $root/srv/app
        $run deactivate && exit 9; [ $? = 4 ]
        $run status | grep 'tmpfiles rules that failed, and are tried again by the next run: .*/srv/app'
        $run deactivate && exit 9; [ $? = 4 ]
        umount $root/srv/app";
    let Some(ran) = t.run_isolated(&toplevel, busy) else {
        return;
    };
    ran.exits(0).says("srv/app");
    assert!(t.path("srv/app").is_dir());
    t.run(&["deactivate"]).exits(0);
    assert!(!t.path("srv/app").exists(), "it goes as soon as it can");
    t.run(&["status"]).exits(0).never_says("tmpfiles");
}

#[test]
fn a_machine_id_that_is_a_link_is_no_obstacle() {
    let Some(t) = Test::begin() else { return };
    let id = Path::new("../var/lib/id");
    std::os::unix::fs::symlink(id, t.path("etc/machine-id")).unwrap();
    let text = "d /srv/app 0755 - - -\nd /srv/%m 0755 - - -\n";
    let toplevel = t.build(&Config::new().field("tmpfiles", rules(&t, "one", text)));
    let ran = t.run(&["plan".as_ref(), toplevel.as_os_str()]).exits(0);
    ran.says("what it does is not predicted").says("+ /srv/app");
    t.run(&["status"]).exits(0);
}

#[test]
fn a_rule_copies_what_the_same_activation_places() {
    let Some(t) = Test::begin() else { return };
    t.write("etc/skel/.profile", "of the distribution\n");
    t.write("etc/skel/.bashrc", "of the distribution\n");
    let copy = rules(&t, "one", "C /srv/app - - - - /etc/skel\n");
    let toplevel = t.build(
        &Config::new()
            .link("skel/.profile", "ours\n")
            .copy("skel/.new/deep/file", "0644", "new\n")
            .field("replaceExisting", json!(["skel/.profile"]))
            .field("tmpfiles", copy),
    );
    t.run(&["activate".as_ref(), toplevel.as_os_str()])
        .exits(0)
        .never_says("could not be applied");
    assert!(t.path("srv/app/.profile").is_symlink());
    assert_eq!(t.read("srv/app/.new/deep/file"), "new\n");
    assert_eq!(t.read("srv/app/.bashrc"), "of the distribution\n");
}

#[test]
fn what_stands_no_more_as_a_rule_made_it_is_drift() {
    let Some(t) = Test::begin() else { return };
    let config = Config::new().field("tmpfiles", rules(&t, "one", "d /srv/app 0750 - - -\n"));
    t.activate(&config).exits(0);
    t.run(&["status"]).exits(0).never_says("drift");
    t.give("srv/app", 0o700, 0, 0);
    t.run(&["status"])
        .exits(0)
        .says("drift: /srv/app is a folder with mode 0700, owner 0:0, although app.conf:1 says a folder with mode 0750, owner 0:0")
        .says("`systemd-tmpfiles --create /etc/tmpfiles.d/app.conf`");
    std::fs::remove_dir(t.path("srv/app")).unwrap();
    t.run(&["status"])
        .exits(0)
        .says("drift: /srv/app is gone, although app.conf:1 says");
}
