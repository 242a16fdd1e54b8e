//! Users and groups as whoever runs the program meets them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::cli::story::{Config, Ran, Test};

/// Begins on a host with a shadow file.
fn begin() -> Option<Test> {
    let t = Test::begin()?;
    t.write(
        "etc/shadow",
        "root:*:20000:0:99999:7:::\nweb:!:20000::::::\n",
    );
    t.give("etc/shadow", 0o640, 0, 42);
    Some(t)
}

/// A user as the manifest has it, with these fields.
fn user(fields: &Value) -> Value {
    let mut user = json!({
        "uid": null, "isSystemUser": false, "description": null, "group": "web", "extraGroups": [], "home": null,
        "homeMode": "700", "createHome": false, "shell": null, "shellFallback": null, "hashedPassword": null,
        "password": null, "hashedPasswordFile": null, "initialHashedPassword": null, "initialPassword": null,
        "expires": null, "linger": null, "autoSubUidGidRange": false, "subUidRanges": [], "subGidRanges": [],
    });
    for (name, value) in fields.as_object().unwrap() {
        user[name] = value.clone();
    }
    user
}

/// Adds these users to a configuration.
pub fn with_users(config: Config, users: &[(&str, Value)]) -> Config {
    let users: serde_json::Map<String, Value> = users
        .iter()
        .map(|(name, fields)| ((*name).to_owned(), user(fields)))
        .collect();
    let accounts = json!({
        "mutableUsers": true, "manageLingering": false, "allowNoPasswordLogin": true, "users": users, "groups": {},
    });
    config.field("accounts", accounts)
}

fn activate(t: &Test, toplevel: &Path) -> Ran {
    t.run(&["activate".as_ref(), toplevel.as_os_str()])
}

/// Places a program in the `sw` of a toplevel, where the host finds it.
fn program(t: &Test, toplevel: &Path, name: &str) {
    let path = format!(
        "{}/sw/bin/{name}",
        toplevel.to_str().unwrap().trim_start_matches('/')
    );
    t.write(&path, "#!/bin/sh\n").give(&path, 0o755, 0, 0);
}

#[test]
fn a_shell_that_goes_with_a_switch_forbids_it_whoever_set_it() {
    let Some(t) = begin() else { return };
    let first = t.build(&Config::new().link("a", "1\n"));
    let second = t.build(&Config::new().link("a", "2\n"));
    program(&t, &first, "zsh");
    activate(&t, &first).exits(0);
    let by_hand = "root:x:0:0:root:/root:/var/lib/system-manager/current/sw/bin/zsh\n\
        ann:x:1000:34::/:/etc/zsh\nbob:x:1001:34::/:/var/lib/system-manager/current/sw/bin/gone\nweb:x:33:34::/:/bin/sh\n";
    t.write("etc/passwd", by_hand);
    std::os::unix::fs::symlink(
        "../var/lib/system-manager/current/sw/bin/zsh",
        t.path("etc/zsh"),
    )
    .unwrap();

    let goes = "could no longer log in: this switch removes its shell /var/lib/system-manager/current/sw/bin/zsh";
    for arguments in [
        ["plan".as_ref(), second.as_os_str()],
        ["activate".as_ref(), second.as_os_str()],
    ] {
        let ran = t
            .run(&arguments)
            .exits(1)
            .says(&format!("! user `root` {goes}"));
        let ran = ran
            .says("chsh -s /bin/sh root")
            .says("! user `ann` could no longer log in");
        // His did not work before, either.
        let ran = ran.never_says("user `bob`").never_says("user `web`");
        assert!(
            ran.stdout.find("user `root`") < ran.stdout.find("user `ann`"),
            "{}",
            ran.stdout
        );
    }
    t.run(&["deactivate"]).exits(1).says(goes);
    activate(&t, &first).exits(0).says("No changes");

    program(&t, &second, "zsh");
    activate(&t, &second).exits(0);
    t.run(&["deactivate"]).exits(1).says(goes);
    t.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
    t.run(&["deactivate"]).exits(0);
    assert!(fs::symlink_metadata(t.path("etc/a")).is_err());
}

/// Tells what each command says of accounts: on paper, and as JSON.
#[track_caller]
fn all_warn(t: &Test, toplevel: &Path, warnings: &[&str]) {
    let (plan, again) = (
        ["plan".as_ref(), toplevel.as_os_str()],
        ["activate".as_ref(), toplevel.as_os_str()],
    );
    for arguments in [&plan[..], &again[..], &["status".as_ref()]] {
        let mut ran = t.run(arguments).exits(0);
        let json = t
            .run(&[&["--json".as_ref()], arguments].concat())
            .exits(0)
            .json();
        let told = json
            .get("warnings")
            .unwrap_or_else(|| &json["accounts"]["warnings"]);
        assert_eq!(
            told.as_array().unwrap().len(),
            warnings.len(),
            "{arguments:?}: {json}"
        );
        for (n, warning) in warnings.iter().enumerate() {
            ran = ran.says(&format!("warning: {warning}"));
            assert!(told[n].as_str().unwrap().contains(warning), "{told}");
        }
        ran = ran.never_says("error:");
        if warnings.is_empty() {
            ran.never_says("warning");
        } else {
            ran.never_says("the host is as the configuration says");
        }
    }
}

#[test]
fn what_is_not_as_asked_is_told_by_every_command_until_it_is() {
    let Some(t) = begin() else { return };
    let wants = |uid: Value| {
        let fields = json!({ "isSystemUser": true, "uid": uid, "extraGroups": ["nowhere"] });
        t.build(&with_users(Config::new(), &[("app", fields)]))
    };
    let toplevel = wants(json!(33));
    let gets =
        "user `app` gets the uid 999 instead of 33, which belongs to user `web` of this host";
    let ran = t.run(&["plan".as_ref(), toplevel.as_os_str()]).exits(0);
    ran.says(gets).says("1 account to change");
    let ran = activate(&t, &toplevel).exits(0);
    ran.says(&format!("warning: {gets}"))
        .says("Activated: 0 added, 0 changed, 0 removed, 1 account changed.");
    let keeps = "user `app` keeps its uid 999; 33 is not applied";
    let nowhere = "app can't join the group `nowhere`";
    all_warn(&t, &toplevel, &[keeps, nowhere]);
    t.run(&["status"])
        .exits(0)
        .says("managed: 0 files below /etc, and 1 account\n");
    t.write("etc/group", "root:x:0:\nweb:x:34:\nnowhere:x:7:\n");
    all_warn(&t, &wants(json!(33)), &[keeps]);
    all_warn(&t, &wants(json!(999)), &[]);
    t.run(&["deactivate"]).exits(0).says("2 accounts changed");
    t.run(&["status"])
        .exits(0)
        .never_says("account")
        .never_says("warning");
}

#[test]
fn a_password_file_that_was_not_there_is_told_and_its_password_set_once_it_is() {
    let Some(t) = begin() else { return };
    let fields = json!({ "hashedPasswordFile": "/run/secrets/ann" });
    for mutable in [true, false] {
        let config = with_users(Config::new(), &[("ann", fields.clone())]);
        let mut manifest = t.manifest(&config);
        manifest["accounts"]["mutableUsers"] = json!(mutable);
        let toplevel = t.build_text(&manifest.to_string());
        let why = "the password of user `ann` is not set from /run/secrets/ann: it does not exist";
        activate(&t, &toplevel)
            .exits(0)
            .says(why)
            .says("the account is locked until a switch finds one there");
        assert!(t.read("etc/shadow").contains("\nann:!:1:"));
        all_warn(&t, &toplevel, &[why]);
        // Latin-1, and more than one line.
        t.write("run/secrets/ann", "");
        fs::write(t.path("run/secrets/ann"), b"$6$a$b\nJos\xe9\n").unwrap();
        activate(&t, &toplevel)
            .exits(0)
            .says("1 account changed")
            .never_says("warning");
        assert!(t.read("etc/shadow").contains("\nann:$6$a$b:1:"));
        all_warn(&t, &toplevel, &[]);
        fs::remove_file(t.path("run/secrets/ann")).unwrap();
        if mutable {
            // What is hers now is nobody else's business.
            all_warn(&t, &toplevel, &[]);
        } else {
            all_warn(&t, &toplevel, &[why]);
            activate(&t, &toplevel).says("the account keeps its current one");
        }
        t.run(&["deactivate"]).exits(0);
    }
}

#[test]
fn a_user_whose_password_file_was_not_there_keeps_the_password_that_came_meanwhile() {
    let Some(t) = begin() else { return };
    let fields = json!({ "hashedPasswordFile": "/run/secrets/ann" });
    let toplevel = t.build(&with_users(Config::new(), &[("ann", fields)]));
    activate(&t, &toplevel).exits(0).says("warning");
    let shadow = t.read("etc/shadow").replace("\nann:!:", "\nann:$y$own:");
    t.write("etc/shadow", &shadow)
        .write("run/secrets/ann", "$6$a$b\n");
    all_warn(&t, &toplevel, &[]);
    assert_eq!(t.read("etc/shadow"), shadow);
}

/// The password field of a user.
fn hash_of(t: &Test, user: &str) -> String {
    let shadow = t.read("etc/shadow");
    let line = shadow
        .lines()
        .find(|l| l.split(':').next() == Some(user))
        .unwrap();
    line.split(':').nth(1).unwrap().to_owned()
}

/// A script that makes the file of a password, and one that runs after the accounts.
fn secrets(t: &Test, hash: &str) -> Value {
    let early = crate::cli::scripts::script(
        t,
        "secrets",
        &format!(
            "[ -e /etc/late ] || echo early >>/order; echo '{hash}' >/run/ann; id=$(cat /etc/passwd); case $id in *ann:*) echo again >>/order;; esac"
        ),
    );
    let late = crate::cli::scripts::script(
        t,
        "chown",
        "case $(cat /etc/passwd) in *ann:*) cat /etc/late >>/order;; esac",
    );
    let mut early = early;
    early["beforeAccounts"] = json!(true);
    // The manifest may name them in any order.
    json!([late, early])
}

#[test]
fn passwords_come_from_what_the_scripts_before_accounts_have_made() {
    let (Some(t), true) = (begin(), crate::cli::scripts::has_shell()) else {
        return;
    };
    crate::cli::scripts::give_shell(&t);
    t.write("run/keep", "");
    let wants = |hash: &str, mutable: bool| {
        let fields = json!({ "hashedPasswordFile": "/run/ann", "shell": "/bin/sh" });
        let config = with_users(
            Config::new().copy("late", "0644", "late\n"),
            &[("ann", fields)],
        );
        let mut manifest = t.manifest(&config.field("activationScripts", secrets(&t, hash)));
        manifest["accounts"]["mutableUsers"] = json!(mutable);
        t.build_text(&manifest.to_string())
    };
    let first = wants("$6$one$1", true);
    let late = "the password of user `ann` is read from /run/ann once the scripts before accounts have run";
    let ran = t
        .run(&["plan".as_ref(), first.as_os_str()])
        .exits(0)
        .says(late)
        .never_says("warning");
    ran.says("run     secrets  (new; before users and groups)\n    run     chown  (new)")
        .never_says("locked");
    activate(&t, &first).exits(0).never_says("warning");
    assert_eq!(hash_of(&t, "ann"), "$6$one$1");
    assert_eq!(t.read("order"), "early\nlate\n");
    t.run(&["plan".as_ref(), first.as_os_str()])
        .exits(0)
        .says("No changes");

    // With immutable users each run of the scripts may bring another one.
    let second = wants("$6$two$2", false);
    activate(&t, &second).exits(0);
    assert_eq!(hash_of(&t, "ann"), "$6$two$2");
    t.run(&["plan".as_ref(), second.as_os_str()])
        .exits(0)
        .says("No changes");
    t.run(&["deactivate"]).exits(0);

    // A script that fails leaves the account locked, and is run again, as is told.
    t.write("run/ann", "");
    let fails = wants("", true);
    let ran = activate(&t, &fails)
        .exits(0)
        .says("its first line is empty");
    ran.says("the account is locked until a switch finds one there");
    assert_eq!(hash_of(&t, "ann"), "!");
    t.run(&["status"])
        .exits(0)
        .says("warning: the password of user `ann` is not set from /run/ann");
    activate(&t, &wants("$6$one$1", true))
        .exits(0)
        .never_says("warning");
    assert_eq!(hash_of(&t, "ann"), "$6$one$1");
}

#[test]
fn a_record_that_a_newer_program_wrote_or_that_is_damaged_is_refused_with_the_remedy() {
    let Some(t) = begin() else { return };
    let toplevel = t.build(&with_users(Config::new(), &[("ann", json!({}))]));
    activate(&t, &toplevel).exits(0);
    let record = "var/lib/system-manager/ids.json";
    let good = t.read(record);
    for name in [record, "var/lib/system-manager/ids.json.previous"] {
        t.write(name, r#"{"version":99,"sha256":"","record":{}}"#);
    }
    for arguments in [&["status"][..], &["deactivate"]] {
        let ran = t
            .run(arguments)
            .exits(1)
            .says("ids.json: it has version 99, written by a newer system-manager");
        ran.says("hint: use the `bin/system-manager` of the newest generation");
    }
    for name in [record, "var/lib/system-manager/ids.json.previous"] {
        t.write(name, "{");
    }
    for arguments in [
        &["status"][..],
        &["activate", toplevel.to_str().unwrap()],
        &["deactivate"],
    ] {
        let ran = t.run(arguments).exits(1).says("ids.json");
        ran.says("it is truncated or not JSON")
            .says("hint: move it away (`mv ");
    }
    let told = "existing accounts count as the host's own";
    fs::remove_file(t.path(record)).unwrap();
    t.run(&["status"]).exits(0).says(told);
    t.write(record, &good);
    t.run(&["status"]).exits(0).never_says(told);
    t.run(&["deactivate"]).exits(0);
    assert!(!t.read("etc/passwd").contains("ann"));
}

#[test]
fn bytes_that_are_not_utf_8_and_a_linked_login_defs_are_no_obstacle() {
    let Some(t) = begin() else { return };
    let passwd = b"root:x:0:0:root:/root:/bin/sh\njos:x:1000:34:Jos\xe9 N\xfa\xf1ez,,,:/home/jos\xe9:/bin/sh\nweb:x:33:34::/:/bin/sh\n";
    fs::write(t.path("etc/passwd"), passwd).unwrap();
    t.write("usr/share/login.defs", "UID_MIN 3000\nSYS_UID_MAX 700\n");
    std::os::unix::fs::symlink("/usr/share/login.defs", t.path("etc/login.defs")).unwrap();
    let users = [
        ("jos", json!({ "shell": "/bin/web", "createHome": true })),
        ("new", json!({})),
    ];
    let toplevel = t.build(&with_users(Config::new(), &users));
    for arguments in [
        ["plan".as_ref(), toplevel.as_os_str()],
        ["activate".as_ref(), toplevel.as_os_str()],
    ] {
        t.run(&arguments)
            .exits(0)
            .says("user jos: shell \"/bin/sh\" -> \"/bin/web\"")
            .says("user new: uid 3000");
    }
    t.run(&["status"]).exits(0);
    t.run(&["deactivate"]).exits(0);
    assert_eq!(fs::read(t.path("etc/passwd")).unwrap(), passwd);
}
