//! The plan, in memory: from what each kind has decided to the order of the steps, what they come to, and what is due.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

fn of<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_str(&value.to_string()).unwrap()
}

/// A plan of what changes nothing.
fn nothing() -> Plan {
    of(&json!({
        "version": VERSION, "goal": "deactivate", "from": null, "state": "", "resumes": null, "conflicts": [],
        "checks": [], "files": FilesPlan::default(), "blocks": [], "accounts": AccountsReport::default(),
        "diffs": {}, "scripts": ScriptsPlan::default(), "tmpfiles": TmpfilesPlan::default(), "userManagers": [],
        "units": UnitPlan::default(), "packages": PackagesChange::default(), "becomes": null, "noEffect": [],
    }))
}

fn file(target: &str, verb: &str, keep: Option<&str>) -> FileChange {
    of(&json!({
        "target": format!("/etc/{target}"), "verb": verb, "before": "absent", "after": "absent", "source": null, "was": null,
        "keep": keep.map(|backup| json!({ "backup": backup, "reason": "drift" })), "backup": null, "drifted": false,
    }))
}

fn block(target: &str, verb: &str, keep: Option<&str>) -> BlockChange {
    of(&json!({
        "target": format!("/etc/{target}"), "verb": verb, "before": "absent", "text": null,
        "origin": { "made": false, "joined": false }, "drifted": false, "diff": null,
        "keep": keep.map(|backup| json!({ "backup": backup, "reason": "drift" })),
    }))
}

fn basics(target: &str, verb: &str, keep: Option<&str>) -> Value {
    json!({
        "option": "time.timeZone", "target": format!("/etc/{target}"), "verb": verb, "before": "absent", "after": "absent",
        "old": null, "new": null, "form": null, "backup": null, "drifted": false,
        "keep": keep.map(|backup| json!({ "backup": backup, "reason": "foreign" })),
    })
}

fn unit(name: &str, verb: Job) -> UnitAction {
    UnitAction {
        unit: name.to_owned(),
        verb,
        reason: String::new(),
        visible: true,
    }
}

fn script(name: &str, before_accounts: bool) -> ScriptAction {
    of(&json!({
        "name": name, "script": "/script", "why": "new", "supportsDryActivation": false,
        "beforeAccounts": before_accounts,
    }))
}

fn target(name: &str) -> TargetPath {
    name.parse().unwrap()
}

/// A plan that has something of each kind.
fn everything() -> Plan {
    let mut plan = nothing();
    plan.resumes = Some("activating".to_owned());
    plan.files = FilesPlan {
        leftovers: vec![target("left")],
        removals: vec![
            file("gone/in", "remove", None),
            file("back", "restore", Some("1-back")),
            file("lost", "forget", None),
        ],
        remove_folders: vec![target("gone")],
        make_folders: vec![target("new")],
        writes: vec![
            file("new/in", "add", None),
            file("edited", "change", Some("2-edited")),
            file("there", "adopt", None),
        ],
        folder_mends: vec![of(&json!({
            "target": "/etc/mended", "before": { "mode": 0o777, "uid": 0, "gid": 0 },
            "after": { "mode": 0o755, "uid": 0, "gid": 0 },
        }))],
        mends: vec![of(&json!({
            "path": "/nix/store/x", "targets": ["/etc/x"], "damage": "missing", "built": null, "means": "nix",
            "keep": { "backup": "3-x", "reason": "drift" },
        }))],
        ..FilesPlan::default()
    };
    plan.blocks = vec![
        block("hosts", "change", Some("4-hosts")),
        block("fine", "adopt", None),
    ];
    plan.basics = of(&json!({
        "changes": [basics("localtime", "change", Some("5-localtime")), basics("hostname", "forget", None)],
        "name": { "from": "a", "to": "b", "isOurs": true }, "warnings": [],
    }));
    plan.accounts.is_due = true;
    plan.scripts.run = vec![script("late", false), script("early", true)];
    plan.tmpfiles.considered = true;
    plan.user_managers = vec![of(&json!({ "name": "u", "uid": 1000, "gid": 1000 }))];
    plan.units = UnitPlan {
        stop: vec![unit("both", Job::Stop), unit("gone", Job::Stop)],
        reload: vec![unit("reloaded", Job::Reload)],
        restart: vec![unit("restarted", Job::Restart)],
        start: vec![unit("both", Job::Start), unit("started", Job::Start)],
        daemon_reload: true,
        ..UnitPlan::default()
    };
    plan
}

/// A step in words.
fn told(step: &Step<'_>) -> String {
    match step {
        Step::RemoveLeftover(target) => format!("clean {target}"),
        Step::Keep(change) => format!("keep {}", change.target),
        Step::KeepEdit(mend) => format!("keep {}", mend.path),
        Step::KeepFirst(touch) => format!("keep {}", touch.target),
        Step::Mend(mend) => format!("mend {}", mend.path),
        Step::Remove(change) => format!("remove {}", change.target),
        Step::RemoveFolder(folder) => format!("remove {folder}/"),
        Step::Restore(change) => format!("put back {}", change.target),
        Step::MakeFolder(folder) => format!("make {folder}/"),
        Step::MendFolder(mend) => format!("mend {}/", mend.target),
        Step::Write(change) => format!("write {}", change.target),
        Step::Change(change) => {
            let (word, what) = change.told();
            format!("{word} {what}")
        }
        Step::Script(script) => format!("script {}", script.name),
        other => format!("{other:?}"),
    }
}

#[test]
fn steps_come_in_the_order_in_which_each_may_be_the_last() {
    let plan = everything();
    let steps: Vec<String> = plan.steps().iter().map(told).collect();
    assert_eq!(
        steps,
        [
            "clean left",
            // What would be lost is kept before anything is claimed.
            "keep back",
            "keep edited",
            "keep /nix/store/x",
            "keep hosts",
            "keep localtime",
            "Claim",
            "mend /nix/store/x",
            // Under their old definitions, so that what they run on their way out is there.
            "StopUnits",
            "remove gone/in",
            "remove gone/",
            "make new/",
            "mend mended/",
            "put back back",
            "script early",
            // Before the files that they own.
            "Accounts",
            "write new/in",
            "write edited",
            "change lines in /etc/hosts",
            "change lines in /etc/fine",
            "set /etc/localtime",
            "set /etc/hostname",
            "name this host b",
            "script late",
            "DaemonReload",
            "Tmpfiles",
            "UserManagers",
            "StartUnits",
            "Commit",
        ]
    );
    let idle = nothing();
    let steps: Vec<String> = idle.steps().iter().map(told).collect();
    assert_eq!(steps, ["Claim", "Commit"]);
}

#[test]
fn after_steps_in_which_others_act_folders_are_looked_up_anew() {
    let plan = everything();
    let of_others = plan.steps().into_iter().filter(Step::is_of_others);
    let of_others: Vec<String> = of_others.map(|step| told(&step)).collect();
    assert_eq!(
        of_others,
        [
            "mend /nix/store/x",
            "StopUnits",
            "script early",
            "Accounts",
            "script late",
            "DaemonReload",
            "Tmpfiles",
            "UserManagers",
            "StartUnits",
        ]
    );
}

#[test]
fn whatever_is_to_be_done_makes_a_plan_one_that_does_something() {
    type Change = fn(&mut Plan);
    let changes: [(&str, Change); 14] = [
        ("a conflict", |p| {
            p.conflicts = vec![of(&json!({ "subject": "a", "cause": "b", "remedy": "c" }))];
        }),
        ("a file", |p| p.files.writes = vec![file("a", "add", None)]),
        ("a folder", |p| p.files.make_folders = vec![target("a")]),
        ("the record of lines", |p| {
            p.blocks = vec![block("a", "adopt", None)];
        }),
        ("a name", |p| {
            p.basics.name = of(&json!({ "from": "a", "to": "b", "isOurs": true }));
        }),
        ("accounts", |p| p.accounts.is_due = true),
        ("a script", |p| p.scripts.run = vec![script("a", false)]),
        ("rules", |p| p.tmpfiles.considered = true),
        ("managers of users", |p| {
            p.user_managers = vec![of(&json!({ "name": "u", "uid": 1000, "gid": 1000 }))];
        }),
        ("what was interrupted", |p| p.resumes = Some(String::new())),
        ("a unit", |p| {
            p.units.restart = vec![unit("a", Job::Restart)];
        }),
        ("a unit afterwards", |p| {
            p.units.after = vec![unit("a", Job::Restart)];
        }),
        ("unit files", |p| p.units.daemon_reload = true),
        ("what is active", |p| {
            p.from = Some(of(&json!("/nix/store/a")));
        }),
    ];
    assert!(nothing().is_empty());
    for (what, change) in changes {
        let mut plan = nothing();
        change(&mut plan);
        assert!(!plan.is_empty(), "{what}");
    }
    let mut told = nothing();
    told.basics.warnings = vec!["odd".to_owned()];
    told.units.notes = vec![of(&json!({ "unit": "a", "reason": "b" }))];
    assert!(told.is_empty(), "what is only told is nothing to do");
}

#[test]
fn what_a_plan_comes_to_is_counted_over_all_kinds() {
    let plan = everything();
    let expected = Summary {
        add: 1,
        // The edited file, the zone, the mended folder and the file of the store.
        change: 4,
        remove: 1,
        put_back: 1,
        lines: 1,
        // All that is kept but the zone, which is not ours.
        edits: 4,
        scripts: 2,
        // What is stopped and started is restarted.
        stop: 1,
        restart: 2,
        reload: 1,
        start: 1,
        ..Summary::default()
    };
    assert_eq!(plan.summary(), expected);
    assert_eq!(plan.count_kept(), 5);
    let touched: Vec<&str> = plan.touches().map(|t| t.target.as_str()).collect();
    assert_eq!(
        touched,
        [
            "gone/in",
            "back",
            "new/in",
            "edited",
            "gone",
            "mended",
            "new",
            "hosts",
            "localtime"
        ],
        "what only the record knows of is not touched"
    );
}

#[test]
fn the_name_of_the_host_counts_where_its_file_does_not_change() {
    let mut plan = nothing();
    plan.basics.name = of(&json!({ "from": "a", "to": "b", "isOurs": true }));
    assert_eq!(plan.summary().change, 1);
    plan.basics.changes = vec![of(&basics("hostname", "change", None))];
    assert_eq!(plan.summary().change, 1);
}

#[test]
fn what_is_due_is_all_that_units_are_owed_once_the_files_are_there() {
    let due = everything().due();
    let names = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>();
    // Who goes back wants what was stopped for good to run again.
    assert_eq!(names(&due.start), ["both", "gone", "started"]);
    assert_eq!(names(&due.stop), ["gone"]);
    assert_eq!(names(&due.restart), ["restarted"]);
    assert_eq!(names(&due.reload), ["reloaded"]);
    assert!(due.daemon_reload);
    assert_eq!(nothing().due(), Seeds::default());
}
