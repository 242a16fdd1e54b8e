//! What generations tell, how they differ, and back to what was before.

use std::fs;

use serde_json::json;

use crate::cli::story::{Config, Test};

fn number(n: u32) -> Config {
    Config::new().copy("n", "0644", &format!("{n}\n"))
}

#[test]
fn generations_tell_where_they_came_from_and_what_became_of_them() {
    let Some(t) = Test::begin() else { return };
    t.run(&["generations"])
        .exits(0)
        .says("there are no generations");
    t.switch(&number(1));
    let plan = t.save_plan(&number(2).link("two", "2\n"));
    let plan = plan.to_str().unwrap();
    t.run(&["switch", plan, "--message", "new certificate"])
        .exits(0)
        .says("Generation 2 is active below /");
    t.run(&["generations"])
        .exits(0)
        .says("*    2  ")
        .says("active\n        \"new certificate\"\n        changed: 2 files\n")
        .never_says("toplevel-1");
    t.run(&["generations", "-v"]).exits(0).says("toplevel-1");
    let told = t.run(&["generations", "--json"]).exits(0).json();
    let [one, two] = [0, 1].map(|n| told["generations"][n].clone());
    assert_eq!(two["origin"], json!({ "message": "new certificate" }));
    assert_eq!(two["changes"]["files"], 2);
    assert_eq!(one["changes"], json!(null));
    assert_eq!([&one["active"], &two["active"]], [false, true]);
    assert!(one["activated"].as_u64().unwrap() <= two["activated"].as_u64().unwrap());
    // A message of another run on the same generation is taken, too; without one, nothing is written.
    let before = t.read("var/lib/system-manager/history.json");
    t.run(&["switch", plan]).exits(1);
    assert_eq!(before, t.read("var/lib/system-manager/history.json"));
}

#[test]
fn a_generation_is_told_with_the_revision_of_its_folder() {
    let Some(t) = Test::begin() else { return };
    let toplevel = t.build(&number(1));
    let toplevel = toplevel.to_str().unwrap();
    let arguments = ["register", toplevel, "--made-from=/h/system.nix"];
    t.run(&[&arguments[..], &["--made-at=0123456789abcdef0123"]].concat())
        .exits(0);
    t.run(&["generations"])
        .exits(0)
        .says("        from /h/system.nix, revision 0123456789ab\n");
}

#[test]
fn what_failed_is_told() {
    let Some(t) = Test::begin() else { return };
    t.write("bin/false", "#!/bin/sh\nexit 1\n");
    let script = json!([{
        "name": "breaks", "script": "/bin/false", "supportsDryActivation": false,
    }]);
    t.give("bin/false", 0o755, 0, 0);
    let plan = t.save_plan(&number(1).field("activationScripts", script));
    // There is no shell below the root, so that it can't be run.
    t.run(&["switch", plan.to_str().unwrap()]).exits(4);
    t.run(&["generations"])
        .exits(0)
        .says("active, failed\n")
        .says("failed: the activation script breaks failed");
}

#[test]
fn undo_goes_to_what_was_active_before() {
    let Some(t) = Test::begin() else { return };
    t.refuses(&["undo"], &["no generation to roll back to", "hint:"]);
    t.switch(&number(1));
    t.refuses(&["undo"], &["no generation to roll back to", "hint:"]);
    t.switch(&number(2));
    t.switch(&number(3));
    t.run(&["rollback", "--to", "1"]).exits(0);
    t.run(&["undo", "--dry-run"]).exits(0).says("Plan: ");
    assert_eq!(t.read("etc/n"), "1\n");
    t.run(&["undo"])
        .exits(0)
        .says("Rolled back to generation 3 below /");
    assert_eq!(t.read("etc/n"), "3\n");
    t.run(&["undo"]).exits(0);
    assert_eq!(t.read("etc/n"), "1\n");
    t.run(&["deactivate"]).exits(0);
    assert!(!t.path("etc/n").exists());
    t.run(&["undo"]).exits(0);
    assert_eq!(t.read("etc/n"), "1\n");
    t.refuses(&["undo"], &["nothing was active before", "hint:"]);
    // What was never a generation is gone back to as well.
    let toplevel = t.build(&number(4));
    for activate in [&number(5), &number(1)] {
        let other = t.build(activate);
        t.run(&["activate", toplevel.to_str().unwrap()]).exits(0);
        t.run(&["activate", other.to_str().unwrap()]).exits(0);
        t.run(&["undo"]).exits(0);
        assert_eq!(t.read("etc/n"), "4\n");
    }
}

#[test]
fn a_history_that_is_damaged_is_told_and_stops_nothing() {
    let Some(t) = Test::begin() else { return };
    t.switch(&number(1));
    t.switch(&number(2));
    t.write("var/lib/system-manager/history.json", "{\"version\":1,");
    t.run(&["generations"])
        .exits(0)
        .says("history.json can't be read")
        .says("*    2");
    t.run(&["undo"]).exits(0);
    assert_eq!(t.read("etc/n"), "1\n");
    t.run(&["generations"]).exits(0).never_says("can't be read");
}

#[test]
fn diff_shows_content_units_and_accounts() {
    let Some(t) = Test::begin() else { return };
    let user = |shell: &str| {
        json!({
            "mutableUsers": true, "manageLingering": false, "allowNoPasswordLogin": true,
            "users": { "alice": {
                "uid": null, "isSystemUser": false, "description": null, "group": "users",
                "extraGroups": [], "home": null, "homeMode": "700", "createHome": false,
                "shell": shell, "shellFallback": null, "hashedPassword": "$6$x", "password": null,
                "hashedPasswordFile": null, "initialHashedPassword": null, "initialPassword": null,
                "expires": null, "linger": null, "autoSubUidGidRange": false,
                "subUidRanges": [], "subGidRanges": [],
            } },
            "groups": {},
        })
    };
    let one = number(1)
        .copy("gone", "0644", "x\n")
        .copy("secret", "0600", "old password\n")
        .copy("same", "0644", "same\n")
        .field("accounts", user("/bin/sh"));
    let two = number(2)
        .copy("secret", "0600", "new password\n")
        .copy("same", "0644", "same\n")
        .link(
            "systemd/system/web.service",
            "[Service]\nExecStart=/bin/true\n",
        )
        .field("accounts", user("/bin/bash"));
    let [one, two] = [one, two].map(|c| t.build(&c));
    for toplevel in [&one, &two] {
        t.run(&["register".as_ref(), toplevel.as_os_str()]).exits(0);
    }
    let shown = t.run(&["diff", "1", "2"]).exits(0);
    for text in [
        "From generation 1 to generation 2:\n",
        "\nFiles\n  - /etc/gone\n  ~ /etc/n\n      @@ -1 +1 @@\n      -1\n      +2\n",
        "  ~ /etc/secret\n      (content not shown: not everyone may read it)\n",
        "\nUsers and groups\n  ~ user alice\n      shell: /bin/sh -> /bin/bash\n",
        "\nUnits\n  + /etc/systemd/system/web.service\n",
        "      +ExecStart=/bin/true\n",
        "\n3 files, 1 unit file, 1 account differ.\n",
    ] {
        assert!(shown.stdout.contains(text), "{text:?} in {}", shown.stdout);
    }
    let shown = shown
        .never_says("password\n")
        .never_says("same")
        .never_says("$6$");
    let json = t.run(&["diff", "1", "2", "--json"]).exits(0).json();
    assert_eq!(json["files"]["/etc/gone"]["change"], "removed");
    assert_eq!(json["isLive"], false);
    drop(shown);
    t.run(&["diff", "2", "2"]).exits(0).says("No difference.");
    t.refuses(&["diff", "7"], &["there is no generation 7", "hint:"]);
}

#[test]
fn diff_with_what_is_live_shows_what_was_changed_by_hand() {
    let Some(t) = Test::begin() else { return };
    t.refuses(
        &["diff"],
        &["it is not known what was active before", "hint:"],
    );
    t.switch(&number(1));
    t.switch(&number(2).copy("gone", "0644", "x\n"));
    t.write("etc/n", "2\nby hand\n");
    fs::remove_file(t.path("etc/gone")).unwrap();
    t.run(&["diff", "2"])
        .exits(0)
        .says("From generation 2 to the live host:")
        .says("  - /etc/gone\n  ~ /etc/n\n")
        .says("      +by hand\n")
        .says("2 files differ.");
    // By default from what was active before.
    t.run(&["diff"])
        .exits(0)
        .says("From generation 1 to the live host:")
        .says("      -1\n      +2\n      +by hand\n");
}

#[test]
fn generations_are_deleted_by_number_and_by_count_but_for_what_is_needed() {
    let Some(t) = Test::begin() else { return };
    for n in 1..=5 {
        t.switch(&number(n));
    }
    t.run(&["rollback", "--to", "2"]).exits(0);
    let delete = |arguments: &[&str]| t.run(&[&["generations", "delete"], arguments].concat());
    delete(&[]).exits(2);
    delete(&["--older-than", "soon"])
        .exits(2)
        .says("write 12h, 30d or 8w");
    t.refuses(
        &["generations", "delete", "2"],
        &["generation 2 is active, so it is kept", "hint:"],
    );
    t.refuses(
        &["generations", "delete", "1", "9"],
        &["there is no generation 9", "hint:"],
    );
    delete(&["--keep", "1", "--dry-run"])
        .exits(0)
        .says("- generation 1, of ")
        .says("- generation 4, of ")
        .never_says("generation 2")
        .never_says("Forgotten");
    delete(&["--older-than", "1d"])
        .exits(0)
        .says("No generation would be deleted.");
    delete(&["4"]).exits(0).says("Forgotten: 1 generation.");
    let json = delete(&["--keep", "1", "--json"]).exits(0).json();
    assert_eq!(json["generations"], json!([1, 3]));
    let left = t.run(&["generations", "--json"]).exits(0).json();
    let numbers = left["generations"].as_array().unwrap().iter();
    let numbers: Vec<u64> = numbers.map(|g| g["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [2, 5]);
}
