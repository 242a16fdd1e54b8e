//! Configurations with something of every kind of thing that a manifest can name, on hosts that have something of it
//! already: what activates can be read again and taken away, and what is refused changes nothing and says what to do.

mod host;
mod people;
mod runs;
mod sources;
mod wishes;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{TestCaseError, TestRunner};
use serde_json::Value;

use crate::chance;
use crate::needs::is_root;
use host::{Host, Left};
use sources::Sources;
use wishes::manifests;

/// What says nothing of a host.
const UNVARIED: [&str; 4] = [
    "version",
    "madeFrom.name",
    "madeFrom.system",
    "madeFrom.systemManager",
];

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        // Each case runs the program a dozen times.
        max_shrink_iters: 300,
        ..chance::cases(cases)
    }
}

/// Whatever activates can be activated again, read, and taken away, and gives back what was there; what is refused is
/// refused by the plan, which says where and what to do, and changes nothing.
#[test]
fn whatever_activates_can_be_read_again_and_taken_away() {
    if !is_root() {
        return;
    }
    let sources = Sources::shared();
    let tried = RefCell::new(Tried::default());
    let walk = (
        host::foreign(),
        prop::collection::vec(manifests(sources), 1..3),
    );
    let mut runner = TestRunner::new(config(60));
    let done = runner.run(&walk, |(foreign, walk)| {
        let host = Host::new(sources, &foreign);
        let before = host.tree();
        for manifest in &walk {
            let activated = activate(&host, manifest)?;
            tried.borrow_mut().count(manifest, activated.as_deref());
        }
        take_away(&host, &before, &foreign)
    });
    if let Err(error) = done {
        panic!("{error}");
    }
    let tried = tried.into_inner();
    assert!(
        tried.activated * 4 >= tried.refusals.values().sum::<u32>(),
        "nearly all are refused: {tried:#?}"
    );
    let never = tried.kinds.iter().filter(|(_, activated)| !**activated);
    let never: Vec<_> = never.map(|(kind, _)| kind).collect();
    assert!(never.is_empty(), "none was activated that has: {never:?}");
}

/// What became of the configurations.
#[derive(Debug, Default)]
struct Tried {
    activated: u32,
    /// How often what was refused.
    refusals: BTreeMap<String, u32>,
    /// Whether a configuration that has something of a kind was activated.
    kinds: BTreeMap<String, bool>,
}

impl Tried {
    fn count(&mut self, manifest: &Value, refusal: Option<&str>) {
        let activated = refusal.is_none();
        match refusal {
            None => self.activated += 1,
            Some(why) => *self.refusals.entry(why.to_owned()).or_default() += 1,
        }
        for (kind, value) in manifest.as_object().unwrap() {
            let is_there = !matches!(value.to_string().as_str(), "[]" | "{}" | "null");
            let seen = self.kinds.entry(kind.clone()).or_default();
            *seen |= is_there && activated;
        }
    }
}

fn names_place_and_remedy(said: &str) -> Result<(), TestCaseError> {
    let error = said.split("error:").nth(1).unwrap_or_default();
    prop_assert!(
        error.contains('/') || error.contains('`'),
        "no place is named: {}",
        said
    );
    prop_assert!(error.contains("hint:"), "no remedy is named: {}", said);
    Ok(())
}

/// Plans and activates. Returns why it was refused; none when it was activated.
fn activate(host: &Host, manifest: &Value) -> Result<Option<String>, TestCaseError> {
    let toplevel = host.build(manifest);
    let before = host.tree();
    let plan = host.run(&["plan", &toplevel]);
    prop_assert_eq!(&host.tree(), &before, "planning changed something");
    prop_assert!(matches!(plan.code, 0 | 1), "{}", plan.said);
    let ran = host.run(&["activate", &toplevel]);
    if ran.code == 1 {
        prop_assert_eq!(
            &host.tree(),
            &before,
            "refused, and changed something: {}",
            ran.said
        );
        prop_assert!(
            plan.code == 1 || ran.said.contains("the check `"),
            "the plan does not refuse it: {}",
            ran.said
        );
        if plan.code == 1 {
            names_place_and_remedy(&plan.said)?;
            names_place_and_remedy(&ran.said)?;
        }
        let error = ran.said.split("error: ").nth(1).unwrap_or_default();
        return Ok(Some(error.lines().next().unwrap_or_default().to_owned()));
    }
    prop_assert_eq!(
        plan.code,
        0,
        "the plan refuses what is activated: {}",
        plan.said
    );
    prop_assert!(matches!(ran.code, 0 | 4), "{}", ran.said);
    let after = host.tree();
    let status = host.run(&["status"]);
    prop_assert_eq!(status.code, 0, "{}", status.said);
    let again = host.run(&["activate", &toplevel]);
    prop_assert_eq!(
        again.code,
        ran.code,
        "first: {}\nagain: {}",
        ran.said,
        again.said
    );
    if ran.code == 0 {
        prop_assert_eq!(
            host::differences(&after, &host.tree()),
            Vec::<String>::new(),
            "again: {}",
            again.said
        );
    }
    Ok(None)
}

fn take_away(
    host: &Host,
    before: &host::Tree,
    foreign: &[host::Foreign],
) -> Result<(), TestCaseError> {
    let away = host.run(&["deactivate"]);
    prop_assert_eq!(away.code, 0, "{}", away.said);
    let left = host::left(before, &host.tree(), foreign);
    prop_assert_eq!(left, Left::default(), "{}", away.said);
    let again = host.run(&["deactivate"]);
    prop_assert_eq!(again.code, 0, "{}", again.said);
    prop_assert_eq!(host.run(&["status"]).code, 0);
    Ok(())
}

/// A field of the manifest that the worlds never vary was never tried: it is to be added to `wishes.rs`.
#[test]
fn each_field_of_the_manifest_is_tried() {
    let manifests = manifests(Sources::shared());
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeMap::new();
    for _ in 0..600 {
        let manifest = manifests.new_tree(&mut runner).unwrap().current();
        collect(&manifest, "", &mut seen);
    }
    let schema =
        serde_json::to_value(schemars::schema_for!(system_manager::face::model::Manifest)).unwrap();
    let mut missing = Vec::new();
    check(&schema, &schema, "", &seen, &mut missing);
    assert!(missing.is_empty(), "never tried: {missing:#?}");
    // It is seen that a field is missing.
    seen.retain(|path: &String, _: &mut BTreeSet<String>| {
        !path.starts_with("accounts.users.*.expires")
    });
    check(&schema, &schema, "", &seen, &mut missing);
    assert_eq!(
        missing,
        [
            "accounts.users.*.expires: null",
            "accounts.users.*.expires: a value"
        ]
    );
}

/// Collects the values of each field, with `*` for each name or place in a list.
fn collect(value: &Value, path: &str, seen: &mut BTreeMap<String, BTreeSet<String>>) {
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    seen.entry(path.to_owned())
        .or_default()
        .insert(value.to_string());
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                collect(value, &below(name), seen);
                collect(value, &below("*"), seen);
            }
        }
        Value::Array(values) => values
            .iter()
            .for_each(|value| collect(value, &below("*"), seen)),
        _ => {}
    }
}

/// Lists what a schema allows and nothing of what was seen has.
fn check(
    all: &Value,
    schema: &Value,
    path: &str,
    seen: &BTreeMap<String, BTreeSet<String>>,
    missing: &mut Vec<String>,
) {
    if UNVARIED.contains(&path) {
        return;
    }
    if let Some(name) = schema["$ref"].as_str() {
        return check(
            all,
            &all["$defs"][name.rsplit('/').next().unwrap()],
            path,
            seen,
            missing,
        );
    }
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    let values = seen.get(path).cloned().unwrap_or_default();
    let choices = [schema["anyOf"].as_array(), schema["oneOf"].as_array()];
    let may_be_null = schema["type"]
        .as_array()
        .is_some_and(|t| t.contains(&"null".into()))
        || choices
            .iter()
            .flatten()
            .any(|c| c.iter().any(|c| c["type"] == "null"));
    if may_be_null {
        require(missing, path, values.contains("null"), "null");
    }
    for choice in choices.into_iter().flatten().flatten() {
        match choice["const"].as_str() {
            Some(name) => require(missing, path, values.contains(&format!("{name:?}")), name),
            None if choice["type"] == "null" => {}
            None => check(all, choice, path, seen, missing),
        }
    }
    if let Some(fields) = schema["properties"].as_object() {
        for (name, field) in fields {
            check(all, field, &below(name), seen, missing);
        }
    } else if let Some(inner) = schema["additionalProperties"]
        .as_object()
        .or(schema["items"].as_object())
    {
        require(missing, path, values.len() > 1, "a second value");
        check(
            all,
            &Value::Object(inner.clone()),
            &below("*"),
            seen,
            missing,
        );
    } else if schema["type"].is_string() || schema["type"].is_array() {
        let different = values.iter().filter(|v| *v != "null").count();
        require(missing, path, different > 0, "a value");
        let is_free = schema["type"] != "null" && !may_be_null;
        require(missing, path, !is_free || different > 1, "a second value");
    }
}

fn require(missing: &mut Vec<String>, path: &str, there: bool, what: &str) {
    if !there {
        missing.push(format!("{path}: {what}"));
    }
}
