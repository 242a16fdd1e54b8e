//! Units, as far as a plan tells of them without a systemd.

use serde_json::json;

use crate::cli::story::{Config, Test};

fn wanting(t: &Test, pullers: &[&str]) -> Config {
    let source = t.source("a.service", "[Service]\nExecStart=/bin/true\n");
    Config::new().field(
        "units",
        json!({ "a.service": {
            "source": source, "overrideStrategy": "asDropinIfExists", "aliases": [],
            "wantedBy": pullers, "requiredBy": [], "upheldBy": [],
        }}),
    )
}

#[test]
fn a_unit_that_nothing_will_start_is_told() {
    let Some(t) = Test::begin() else { return };
    t.write("usr/lib/systemd/system/multi-user.target", "[Unit]\n");
    let told = "a.service  (`multi-usr.target` should start it, but neither this host nor the configuration has a unit";
    let wrong = t.build(&wanting(&t, &["multi-usr.target", "multi-user.target"]));
    t.run(&["plan".as_ref(), wrong.as_os_str()])
        .exits(0)
        .says(told)
        .never_says("`multi-user.target` should start it");
    let plan = t
        .run(&["plan".as_ref(), wrong.as_os_str(), "--json".as_ref()])
        .json();
    assert_eq!(plan["units"]["notes"][0]["unit"], "a.service");
    // What systemd makes of itself, such as devices and mounts, can't be known.
    let dynamic = t.build(&wanting(
        &t,
        &["multi-user.target", "dev-sda.device", "srv.mount"],
    ));
    t.run(&["plan".as_ref(), dynamic.as_os_str()])
        .exits(0)
        .never_says("should start it");
}

#[test]
fn a_link_by_which_a_package_enables_a_unit_is_replaced_and_comes_back() {
    let Some(t) = Test::begin() else { return };
    let shipped = "/lib/systemd/system/a.service";
    let folder = "etc/systemd/system/timers.target.wants";
    std::fs::create_dir_all(t.path(folder)).unwrap();
    std::os::unix::fs::symlink(shipped, t.path(&format!("{folder}/a.service"))).unwrap();
    std::os::unix::fs::symlink(shipped, t.path(&format!("{folder}/b.service"))).unwrap();
    let to = |name: &str| {
        let link = std::fs::read_link(t.path(&format!("{folder}/{name}"))).unwrap();
        link.to_str().unwrap().to_owned()
    };
    t.switch(&wanting(&t, &["timers.target"]));
    assert_eq!(to("a.service"), "../a.service");
    assert_eq!(
        to("b.service"),
        shipped,
        "another unit's is nobody's business"
    );
    t.run(&["deactivate"]).exits(0);
    assert_eq!(to("a.service"), shipped);
}
