//! Random worlds on a real file system: what the plan says is what happens, and every prefix of it is safe.

use std::collections::BTreeMap;

use crate::chance;
use crate::needs::is_root;
use crate::world::{Aim, Entry, Host, Step, Stuff, aims, steps};
use proptest::prelude::*;
use system_manager::face::activation::{Plan, Step as PlanStep};
use system_manager::face::cli::Failure;
use system_manager::face::files::{KeepReason, Verb};
use system_manager::face::model::Node;

fn config() -> ProptestConfig {
    ProptestConfig {
        max_shrink_iters: 2000,
        ..chance::cases(100)
    }
}

proptest! {
    #![proptest_config(config())]

    /// Each activation of a walk does what its plan said, all of it and nothing else, and leaves nothing to do.
    #[test]
    fn what_the_plan_says_is_what_changes(walk in steps(4)) {
        if is_root() {
            let host = Host::new();
            for step in &walk {
                host.tamper(&step.before);
                check_step(&host, &step.aim)?;
            }
        }
    }

    /// Stopping before any step and running again gives the tree and the records of an uninterrupted run.
    #[test]
    fn every_prefix_is_safe(walk in steps(3)) {
        if is_root() {
            let host = Host::new();
            let Some((last, earlier)) = walk.split_last() else { return Ok(()) };
            play(&host, earlier);
            host.tamper(&last.before);
            check_prefixes(&host, &last.aim, &last.aim)?;
        }
    }

    /// What was begun can be given up for something else at any point, as if it had never begun.
    #[test]
    fn an_interrupted_activation_can_be_given_up(walk in steps(3), instead in aims()) {
        if is_root() {
            let host = Host::new();
            let Some((last, earlier)) = walk.split_last() else { return Ok(()) };
            play(&host, earlier);
            host.tamper(&last.before);
            check_prefixes(&host, &last.aim, &instead)?;
        }
    }

    /// Deactivating after any walk that nobody interfered with gives back what was there, metadata included.
    #[test]
    fn deactivating_gives_back_what_was_there(foreign in crate::world::tampers(), walk in prop::collection::vec(aims(), 1..4)) {
        if is_root() {
            let host = Host::new();
            host.tamper(&foreign);
            let before = host.tree();
            for aim in &walk {
                // A conflict leaves the generation before in force.
                let plan = host.plan(aim);
                if plan.conflicts.is_empty() {
                    host.switch(aim).unwrap();
                }
            }
            prop_assert_eq!(host.switch(&Aim::Deactivate).map_err(|e| describe(&e)), Ok(()));
            let after = host.tree();
            prop_assert_eq!(lasting(&before), lasting(&after));
            prop_assert_eq!(host.backups(), Vec::<String>::new(), "backups of no use are left");
        }
    }
}

/// Activates what can be; a conflict leaves the generation before in force.
fn play(host: &Host, walk: &[Step]) {
    for step in walk {
        host.tamper(&step.before);
        if host.plan(&step.aim).conflicts.is_empty() {
            host.switch(&step.aim).unwrap();
        }
    }
}

fn check_step(host: &Host, aim: &Aim) -> Result<(), TestCaseError> {
    let before = host.tree();
    let plan = host.plan(aim);
    prop_assert_eq!(&host.tree(), &before, "planning changed something");
    if !plan.conflicts.is_empty() {
        return Ok(());
    }
    let predicted = predict(&before, &plan);
    prop_assert_eq!(
        host.switch(aim).map_err(|e| describe(&e)),
        Ok(()),
        "{:#?}",
        plan
    );
    let after = host.tree();
    let nodes: BTreeMap<_, _> = after
        .iter()
        .map(|(p, e)| (p.clone(), e.node.clone()))
        .collect();
    prop_assert_eq!(&nodes, &predicted, "{:#?}", plan);
    for (path, entry) in &after {
        if let Some(old) = before.get(path)
            && old.node == entry.node
        {
            // Put back, or replaced by what only looks the same: a foreign file whose attributes are kept.
            let named = plan.files.changes().any(|c| {
                let foreign = c
                    .keep
                    .as_ref()
                    .is_some_and(|k| k.reason == KeepReason::Foreign);
                c.target.as_str() == path && (c.verb == Verb::Restore || foreign)
            });
            let named = named
                || plan
                    .basics
                    .changes
                    .iter()
                    .any(|c| c.target.as_str() == path);
            let folder = matches!(entry.node, Stuff::Folder { .. });
            prop_assert!(
                named || folder || old == entry,
                "/etc/{} was right and rewritten",
                path
            );
        }
    }
    let again = host.plan(aim);
    prop_assert!(
        again.is_empty(),
        "planning again is not empty: {:#?}",
        again
    );
    Ok(())
}

/// What the tree will be, by what the plan says alone.
fn predict(before: &BTreeMap<String, Entry>, plan: &Plan) -> BTreeMap<String, Stuff> {
    let mut tree: BTreeMap<String, Stuff> = before
        .iter()
        .map(|(p, e)| (p.clone(), e.node.clone()))
        .collect();
    for change in plan.files.changes() {
        if !matches!(change.verb, Verb::Adopt | Verb::Forget) {
            tree.remove(change.target.as_str());
        }
    }
    for folder in &plan.files.remove_folders {
        tree.remove(folder.as_str());
    }
    for folder in &plan.files.make_folders {
        tree.insert(folder.to_string(), Stuff::Folder { mode: 0o755 });
    }
    for change in plan.files.changes() {
        if matches!(change.verb, Verb::Adopt | Verb::Forget) {
            continue;
        }
        if let Some(stuff) = Stuff::of(&change.after) {
            tree.insert(change.target.to_string(), stuff);
        }
    }
    for change in &plan.basics.changes {
        tree.remove(change.target.as_str());
        if let Some(stuff) = Stuff::of(&change.after) {
            tree.insert(change.target.to_string(), stuff);
        }
    }
    tree
}

fn check_prefixes(start: &Host, begun: &Aim, then: &Aim) -> Result<(), TestCaseError> {
    if !start.plan(begun).conflicts.is_empty() || !start.plan(then).conflicts.is_empty() {
        return Ok(());
    }
    let straight = start.copy();
    prop_assert_eq!(straight.switch(then).map_err(|e| describe(&e)), Ok(()));
    let expected = settled(&straight);
    // What people have put into a folder of ours may be in the way of what is to be put back.
    if !straight.plan(&Aim::Deactivate).conflicts.is_empty() {
        return Ok(());
    }
    let away = straight.switch(&Aim::Deactivate);
    prop_assert_eq!(away.map_err(|e| describe(&e)), Ok(()));
    let removed = lasting(&straight.tree());
    for stop in 0..start.plan(begun).steps().len() {
        let host = start.copy();
        let before = host.tree();
        let at = format!(
            "stopped before step {stop} of {:#?}",
            host.plan(begun).steps()
        );
        let stopped = host.switch_until(begun, stop);
        if let Err(Failure::Before(_)) = stopped {
            prop_assert_eq!(host.tree(), before, "{}", at);
        }
        let next = host.plan(then);
        if !next.conflicts.is_empty() {
            // What was put back already is foreign again, and may be in the way of something else.
            let plan = start.plan(begun);
            let mut done = plan.steps().into_iter().take(stop);
            let put_back = done.any(|s| matches!(s, PlanStep::Restore(_)));
            prop_assert!(put_back, "{}\n{:#?}", at, next.conflicts);
            prop_assert_eq!(
                host.switch(begun).map_err(|e| describe(&e)),
                Ok(()),
                "{}",
                at
            );
            continue;
        }
        prop_assert_eq!(
            host.switch(then).map_err(|e| describe(&e)),
            Ok(()),
            "{}\n{:#?}",
            at,
            next
        );
        let nodes = settled(&host);
        prop_assert_eq!(&nodes, &expected, "{}", at);
        let again = host.plan(then);
        prop_assert!(again.is_empty(), "{}: {:#?}", at, again);
        prop_assert_eq!(
            host.switch(&Aim::Deactivate).map_err(|e| describe(&e)),
            Ok(()),
            "{}",
            at
        );
        prop_assert_eq!(&lasting(&host.tree()), &removed, "{}", at);
    }
    Ok(())
}

type Settled = (
    BTreeMap<String, Stuff>,
    Vec<(String, Node, bool)>,
    Vec<String>,
);

/// The tree, and which of it is recorded as ours.
fn settled(host: &Host) -> Settled {
    let tree = host.tree().into_iter().map(|(p, e)| (p, e.node)).collect();
    let state = host.state();
    let files = state
        .files
        .entries
        .iter()
        .map(|(t, f)| {
            assert!(
                !f.placed.is_begun(),
                "/etc/{t} is unsettled after a run that ended"
            );
            (t.to_string(), f.node().clone(), f.backup.is_some())
        })
        .chain(state.basics.places.iter().map(|(t, place)| {
            assert!(!place.node.is_begun(), "/etc/{t} is unsettled");
            let node = place.node.is.clone().unwrap();
            (t.to_string(), node, place.backup.is_some())
        }))
        .collect();
    (
        tree,
        files,
        state
            .files
            .folders
            .keys()
            .map(ToString::to_string)
            .collect(),
    )
}

/// What must survive everything: all but the times of folders and the numbers of inodes.
fn lasting(tree: &BTreeMap<String, Entry>) -> BTreeMap<String, (Stuff, Option<i128>)> {
    tree.iter()
        .map(|(path, entry)| {
            let time = match entry.node {
                Stuff::Folder { .. } => None,
                _ => Some(entry.changed),
            };
            (path.clone(), (entry.node.clone(), time))
        })
        .collect()
}

fn describe(failure: &Failure) -> String {
    match failure {
        Failure::Before(e) => format!("failed before anything was changed: {e:#}"),
        Failure::PartWay(e) => format!("stopped part-way: {e:#}"),
    }
}
