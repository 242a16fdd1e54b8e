//! What configurations may ask of the host's programs, and what runs: requirements, checks and scripts.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::sources::Sources;
use super::wishes::{maybe, named, some};

pub fn requirements() -> impl Strategy<Value = Value> {
    let path = prop_oneof![30 => Just("/bin/sh"), 1 => Just("/usr/bin/not-there")];
    let install = named(&["debian", "fedora"], 2, |name| Just(json!(name)));
    let one = (path, select(vec!["dash", "shell"]), install).prop_map(
        |(path, package, install)| json!({ "path": path, "package": package, "install": install }),
    );
    prop::collection::vec(one, 0..2).prop_map(|all| json!(all))
}

pub fn checks(sources: &'static Sources) -> impl Strategy<Value = Value> {
    let script = prop_oneof![30 => Just("/bin/true".to_owned()), 1 => Just("/bin/false".to_owned()), 1 => Just(sources.path("missing"))];
    let one = (select(vec!["first", "second"]), script)
        .prop_map(|(name, script)| json!({ "name": name, "script": script }));
    prop::collection::vec(one, 0..2).prop_map(|all| json!(all))
}

pub fn scripts(sources: &'static Sources) -> impl Strategy<Value = Value> {
    let script = select(vec![
        "script-well",
        "script-well",
        "script-well",
        "script-fails",
        "missing",
    ]);
    let one = (select(vec!["one", "two"]), script, prop::bool::ANY, prop::bool::ANY).prop_map(
        move |(name, script, dry, early)| {
            json!({
                "name": name, "script": sources.path(script), "supportsDryActivation": dry, "beforeAccounts": early,
            })
        },
    );
    prop::collection::vec(one, 0..2).prop_map(|all| json!(all))
}

pub fn no_effect() -> impl Strategy<Value = Value> {
    let one = (
        select(vec!["boot.loader.x", "services.x.y"]),
        some(&["/x.nix", "/y.nix"], 2),
    )
        .prop_map(|(option, files)| json!({ "option": option, "definedIn": files }));
    prop::collection::vec(one, 0..2).prop_map(|all| json!(all))
}

/// Checks after an activation: one that fails is not tried again, so that nobody waits for it.
pub fn health_checks(sources: &'static Sources) -> impl Strategy<Value = Value> {
    let script = prop_oneof![
        10 => maybe(vec!["/bin/true".to_owned(), sources.path("script-well")]).prop_map(|script| (script, 1)),
        1 => Just((json!(sources.path("script-fails")), 0)),
        1 => Just((json!(sources.path("missing")), 0)),
    ];
    let units: &[&str] = &["a.service", "nowhere.service"];
    let name = select(vec!["web", "data"]);
    let one = (name, script, some(units, 2), select(vec![5, 10])).prop_map(
        |(name, (script, retries), units, timeout)| {
            json!({ "name": name, "script": script, "units": units, "timeout": timeout, "retries": retries })
        },
    );
    prop::collection::vec(one, 0..2).prop_map(|all| json!(all))
}

/// Secrets whose values nobody has given: what needs them is told, and nothing else of it fails.
pub fn secrets() -> impl Strategy<Value = Value> {
    let units: &[&str] = &["a.service", "nowhere.service"];
    let origin = select(vec![
        (json!("/root/key"), Value::Null),
        (json!("/root/other"), Value::Null),
        (Value::Null, json!("pass show key")),
        (Value::Null, json!("pass show other")),
    ]);
    let one = (
        select(vec!["key", "other"]),
        origin,
        (select(vec!["root", "web"]), select(vec!["root", "web"])),
        select(vec!["0400", "0440"]),
        (some(units, 1), some(units, 1)),
        any::<bool>(),
    );
    let one = one.prop_map(|(name, (file, command), (owner, group), mode, units, early)| {
        json!({
            "name": name, "file": file, "command": command, "owner": owner, "group": group, "mode": mode,
            "restartUnits": units.0, "reloadUnits": units.1, "neededForUsers": early,
        })
    });
    prop::collection::vec(one, 0..2).prop_map(|all| json!(all))
}
