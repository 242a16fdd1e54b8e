//! What `status` shows, and its exit code for monitoring.

use std::fs;

use serde_json::json;

use crate::cli::story::{Config, Test};

#[test]
fn status_is_one_screen_and_all_of_it_is_a_flag_away() {
    let Some(t) = Test::begin() else { return };
    let config = (0..40).fold(Config::new(), |config, n| {
        config.copy(&format!("f{n}"), "0644", "x\n")
    });
    t.run(&["status"]).exits(0).says("nothing is active");
    t.switch(&config);
    t.run(&["status", "--detailed-exitcode"])
        .exits(0)
        .says("active: generation 1, ")
        .says(", since 2")
        .says("managed: 40 files below /etc\n");
    for n in 0..40 {
        t.write(&format!("etc/f{n}"), "by hand\n");
    }
    let ran = t.run(&["status", "--detailed-exitcode"]).exits(10);
    assert!(ran.stdout.lines().count() < 24, "{}", ran.stdout);
    // As people sort.
    ran.says("drift: /etc/f2 was changed by hand\ndrift: /etc/f3 was")
        .says("drift: and 32 more (-v lists them)\n");
    let all = t.run(&["status", "-v"]).exits(0);
    assert_eq!(all.stdout.matches("drift: ").count(), 40);
    t.run(&["status"]).exits(0);
}

#[test]
fn status_shows_what_was_changed_by_hand_line_by_line() {
    let Some(t) = Test::begin() else { return };
    t.switch(
        &Config::new()
            .copy("n", "0644", "1\n")
            .copy("gone", "0644", "x\n"),
    );
    t.write("etc/n", "1\nby hand\n");
    fs::remove_file(t.path("etc/gone")).unwrap();
    t.run(&["status", "--diff"])
        .exits(0)
        .says("drift: /etc/n was changed by hand")
        .says("From the built configuration to the live host:")
        .says("  - /etc/gone\n  ~ /etc/n\n")
        .says("      +by hand\n");
    t.run(&["status", "--diff", "--json"]).exits(2);
}

#[test]
fn status_as_json_has_when_it_was_activated_and_what_is_free() {
    let Some(t) = Test::begin() else { return };
    fs::create_dir_all(t.path("nix/store")).unwrap();
    let hosts = json!({ "hosts": "10.0.0.1 a\n" });
    t.write("etc/hosts", "127.0.0.1 localhost\n");
    t.switch(
        &Config::new()
            .copy("n", "0644", "1\n")
            .field("blocks", hosts),
    );
    let status = t.run(&["status", "--json"]).exits(0).json();
    assert!(status["activated"].as_u64().unwrap() > 1_700_000_000);
    assert!(status["storeFree"].as_u64().unwrap() > 0);
    assert_eq!(
        (&status["lines"], &status["timers"]),
        (&json!(1), &json!([]))
    );
    t.run(&["status"])
        .exits(0)
        .says("managed: 1 file below /etc, lines in 1 file of others\n")
        .says(" free\n");
}
