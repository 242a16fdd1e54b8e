//! The host's name, time zone, locale and keyboard.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::cli::story::{Config, Ran, Test, Tree, assert_same};

fn wants(basics: Value) -> Config {
    Config::new().field("basics", basics)
}

fn all() -> Config {
    wants(json!({
        "hostName": "web-1",
        "timeZone": "Europe/Rome",
        "locale": { "LANG": "it_IT.UTF-8", "LC_TIME": "C.UTF-8" },
        "keyMap": "it",
    }))
}

/// A Debian with a name, a zone and a locale, whose modes and owners are not the usual ones.
fn debian() -> Option<Test> {
    let t = Test::begin()?;
    t.write("etc/hostname", "old")
        .give("etc/hostname", 0o664, 0, 34);
    t.write(
        "etc/hosts",
        "127.0.0.1 localhost\n127.0.1.1 old.example old\n",
    );
    t.write("etc/timezone", "Etc/UTC\n");
    t.write("etc/default/locale", "#  theirs\nLANG=C\nLANGUAGE=en\n")
        .give("etc/default/locale", 0o600, 33, 34);
    for zone in ["Etc/UTC", "Europe/Rome"] {
        t.write(&format!("usr/share/zoneinfo/{zone}"), "a zone");
    }
    std::os::unix::fs::symlink("../usr/share/zoneinfo/Etc/UTC", t.path("etc/localtime")).unwrap();
    Some(t)
}

fn what(tree: Tree) -> BTreeMap<String, String> {
    tree.into_iter().map(|(path, s)| (path, s.what)).collect()
}

fn plan(t: &Test, config: &Config) -> Ran {
    let toplevel = t.build(config);
    t.run(&["plan".as_ref(), toplevel.as_os_str()])
}

#[test]
fn basics_are_planned_set_in_the_distributions_places_and_given_back_exactly() {
    let Some(t) = debian() else { return };
    let before = t.tree();
    plan(&t, &all())
        .exits(0)
        .says("~ networking.hostName: old -> web-1  (/etc/hostname)")
        .says("~ time.timeZone: Etc/UTC -> Europe/Rome  (/etc/localtime)")
        .says("~ i18n.defaultLocale: LANG=C, LANGUAGE=en -> LANG=it_IT.UTF-8, LANGUAGE=en, LC_TIME=C.UTF-8")
        .says("+ console.keyMap: nothing -> XKBLAYOUT=it, XKBVARIANT=  (/etc/default/keyboard)")
        .says("Plan: 1 to add, 4 to change");
    let toplevel = t.build(&all());
    let shown = t.run(&["plan".as_ref(), toplevel.as_os_str(), "--json".as_ref()]);
    let change = &shown.json()["basics"]["changes"][2];
    assert_eq!(
        (&change["old"], &change["new"]),
        (&json!("old"), &json!("web-1")),
        "{change}"
    );
    let activate = ["activate".as_ref(), toplevel.as_os_str()];
    t.run(&activate).exits(0);
    assert_eq!(t.read("etc/hostname"), "web-1\n");
    assert_eq!(t.read("etc/timezone"), "Europe/Rome\n");
    let zone = fs::read_link(t.path("etc/localtime")).unwrap();
    assert_eq!(zone.to_str(), Some("/usr/share/zoneinfo/Europe/Rome"));
    assert_eq!(
        t.read("etc/default/locale"),
        "#  theirs\nLANG=it_IT.UTF-8\nLANGUAGE=en\nLC_TIME=C.UTF-8\n"
    );
    assert!(!t.path("etc/locale.conf").exists() && !t.path("etc/vconsole.conf").exists());
    assert!(
        t.read("etc/hosts").contains("127.0.1.1 web-1\n"),
        "the host finds itself"
    );

    let after = t.everything();
    t.run(&activate).exits(0).says("No changes");
    assert_same(&after, &t.everything());
    t.run(&["status"]).exits(0).never_says("drift");

    // What is not set any more comes back by itself.
    t.activate(&wants(json!({ "hostName": "web-2" })));
    assert_eq!(t.read("etc/hostname"), "web-2\n");
    assert_eq!(
        t.read("etc/default/locale"),
        "#  theirs\nLANG=C\nLANGUAGE=en\n"
    );
    t.run(&["deactivate"]).exits(0);
    assert_same(&what(before), &what(t.tree()));
}

#[test]
fn another_distribution_has_other_places() {
    let Some(t) = Test::begin() else { return };
    t.write("etc/os-release", "ID=fedora\n");
    t.write("etc/locale.conf", "LANG=\"en_US.UTF-8\"\n");
    t.write("etc/vconsole.conf", "KEYMAP=\"us\"\nFONT=\"eurlatgr\"\n");
    t.write("usr/share/zoneinfo/Europe/Rome", "a zone");
    let before = t.tree();
    t.activate(&all());
    assert_eq!(
        t.read("etc/locale.conf"),
        "LANG=it_IT.UTF-8\nLC_TIME=C.UTF-8\n"
    );
    assert_eq!(
        t.read("etc/vconsole.conf"),
        "KEYMAP=it\nFONT=\"eurlatgr\"\n"
    );
    assert!(!t.path("etc/timezone").exists() && !t.path("etc/default").exists());
    t.run(&["deactivate"]).exits(0);
    assert_same(&what(before), &what(t.tree()));
}

#[test]
fn what_is_as_wanted_already_stays_theirs() {
    let Some(t) = debian() else { return };
    t.write("etc/hostname", "web-1\n");
    let zone = wants(json!({ "hostName": "web-1", "timeZone": "Etc/UTC" }));
    let before = what(t.tree());
    t.activate(&zone);
    t.run(&["deactivate"]).exits(0);
    let after = what(t.tree());
    assert_same(&before, &after);
}

#[test]
fn a_name_that_was_changed_by_hand_is_drift_and_kept() {
    let Some(t) = debian() else { return };
    t.activate(&all());
    t.write("etc/hostname", "by-hand\n");
    fs::remove_file(t.path("etc/localtime")).unwrap();
    t.run(&["status"])
        .exits(0)
        .says("drift: /etc/hostname was changed by hand")
        .says("drift: /etc/localtime was removed by hand");
    let status = t.run(&["status", "--json"]).json();
    assert_eq!(
        status["basicsDrift"],
        json!({ "/etc/hostname": "changed", "/etc/localtime": "removed" })
    );
    plan(&t, &all())
        .exits(0)
        .says("~ networking.hostName: by-hand -> web-1")
        .says("it was changed by hand; the current state is backed up as");
    t.activate(&all());
    assert_eq!(t.read("etc/hostname"), "web-1\n");
    t.run(&["status"])
        .exits(0)
        .says("backup of an edit: /etc/hostname")
        .never_says("drift");
}

#[test]
fn what_the_host_does_not_have_is_refused_with_the_remedy() {
    let Some(t) = debian() else { return };
    t.refuses_config(
        &wants(json!({ "timeZone": "Europe/Nowhere" })),
        &[
            "/usr/share/zoneinfo/Europe/Nowhere",
            "timedatectl list-timezones",
            "tzdata",
        ],
    );
    t.refuses_config(
        &wants(json!({ "keyMap": "sun-pl" })),
        &["console.keyMap", "sun-pl"],
    );
    t.refuses_config(
        &wants(json!({ "hostName": "a.b" })),
        &["networking.hostName", "a.b"],
    );
    let twice = wants(json!({ "hostName": "web" }))
        .copy("hostname", "0644", "entry\n")
        .replacing();
    t.refuses_config(&twice, &["/etc/hostname", "set only `networking.hostName`"]);
    t.activate(&wants(json!({ "hostName": "web" })));
    let instead = Config::new()
        .copy("hostname", "0644", "entry\n")
        .replacing();
    t.refuses_config(
        &instead,
        &[
            "/etc/hostname",
            "first switch to a configuration that has neither",
        ],
    );
}

#[test]
fn a_rollback_brings_the_name_of_before() {
    let Some(t) = debian() else { return };
    for name in ["one", "two"] {
        t.switch(&wants(json!({ "hostName": name })));
    }
    t.run(&["diff", "1", "2"])
        .exits(0)
        .says("\nHost settings\n  ~ networking.hostName: one -> two\n")
        .says("1 host setting");
    t.run(&["rollback"]).exits(0);
    assert_eq!(t.read("etc/hostname"), "one\n");
    t.run(&["diff", "1"]).exits(0).says("No difference.");
    t.write("etc/hostname", "by-hand\n");
    t.run(&["diff", "1"])
        .exits(0)
        .says("  ~ networking.hostName: one -> (changed by hand)\n");
}
