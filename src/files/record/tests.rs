//! Every prefix of an activation, in memory: what is claimed is settled to what the disk shows.

use crate::files::decide::tests::{file, target};
use crate::files::decide::{Seen, Wanted, plan_files};

use super::*;

type Disk = BTreeMap<TargetPath, Node>;

fn wanted(entries: &[(&str, &str)]) -> BTreeMap<TargetPath, Wanted> {
    let of = |content: &str| Wanted {
        node: file(content),
        source: format!("/nix/store/{content}").into(),
        replace_existing: true,
        built: None,
        why_copy: None,
        alike: None,
    };
    entries
        .iter()
        .map(|(t, content)| (target(t), of(content)))
        .collect()
}

fn claim(record: &mut FilesRecord, plan: &FilesPlan) {
    let backups = &mut Backups::default();
    record.claim(plan, &mut Claiming { backups, now: 0 });
}

fn seen(disk: &Disk, kept: &BTreeMap<FileName, Node>) -> Seen {
    Seen {
        nodes: disk.clone(),
        backups: kept.clone(),
        ..Seen::default()
    }
}

/// What is owned, with the content of its copy: without what only an activation under way has.
fn owned<'a>(
    record: &FilesRecord,
    kept: &'a BTreeMap<FileName, Node>,
) -> Vec<(String, Node, Option<&'a Node>)> {
    let entries = record.entries.iter();
    entries
        .map(|(t, f)| {
            assert!(!f.placed.is_begun() && f.from.is_none(), "{t}");
            (
                t.to_string(),
                f.node().clone(),
                f.backup.as_ref().map(|id| &kept[id]),
            )
        })
        .collect()
}

type Copies = BTreeMap<FileName, Node>;

/// Adds the copies that a plan makes.
fn copy(kept: &mut Copies, plan: &FilesPlan) {
    for change in plan.changes() {
        let copy = change.keep.as_ref();
        kept.extend(copy.map(|k| (k.backup.clone(), change.before.clone())));
    }
}

/// Goes to what is wanted, is stopped after each number of changes, and goes there or back.
fn walk(
    record: &FilesRecord,
    disk: &Disk,
    kept: &Copies,
    goal: &[(&str, &str)],
    back: &[(&str, &str)],
) {
    let none = BTreeMap::new();
    let plan = plan_files(&wanted(goal), record, 10, &seen(disk, kept), &none);
    assert_eq!(plan.conflicts, [], "{goal:?}");
    let mut claimed = record.clone();
    claim(&mut claimed, &plan);
    let mut kept = kept.clone();
    copy(&mut kept, &plan);
    let changes: Vec<&FileChange> = plan.changes().collect();
    let mut whole = claimed.clone();
    whole.commit(&plan);
    for done in 0..=changes.len() {
        let mut now = disk.clone();
        for change in &changes[..done] {
            now.insert(change.target.clone(), change.after.clone());
        }
        let mut settled = claimed.clone();
        settled.settle(&seen(&now, &kept));
        let at = format!("{done} of {goal:?}");
        let (end, copies) = go_on(&settled, &now, &kept, goal, &at);
        assert_eq!(owned(&end, &copies), owned(&whole, &kept), "{at}");
        go_on(&settled, &now, &kept, back, &at);
    }
}

/// Goes to what is wanted from where a run was stopped; returns what is recorded then, and the copies.
fn go_on(
    settled: &FilesRecord,
    now: &Disk,
    kept: &Copies,
    way: &[(&str, &str)],
    at: &str,
) -> (FilesRecord, Copies) {
    let none = BTreeMap::new();
    let next = plan_files(&wanted(way), settled, 20, &seen(now, kept), &none);
    assert_eq!(next.conflicts, [], "{at}, then {way:?}");
    let (mut end, mut there, mut copies) = (settled.clone(), now.clone(), kept.clone());
    claim(&mut end, &next);
    end.commit(&next);
    copy(&mut copies, &next);
    for change in next.changes() {
        there.insert(change.target.clone(), change.after.clone());
    }
    for (t, content) in way {
        let stands = &there[&target(t)];
        assert_eq!(*stands, file(content), "{at}, then {way:?}");
    }
    let foreign = there.get(&target("theirs"));
    let foreign = foreign.filter(|_| !way.iter().any(|(t, _)| *t == "theirs"));
    let is_whole = foreign.is_none_or(|n| *n == file("foreign"));
    assert!(is_whole, "{at}, then {way:?}");
    (end, copies)
}

#[test]
fn whatever_was_done_of_a_claim_is_settled_to_what_is_there() {
    let disk = Disk::from([(target("theirs"), file("foreign"))]);
    let (none, first) = (
        FilesRecord::default(),
        [("a", "1"), ("b", "1"), ("theirs", "1")],
    );
    let no_copies = BTreeMap::new();
    walk(&none, &disk, &no_copies, &first, &[]);
    walk(&none, &disk, &no_copies, &first, &[("b", "2")]);
    // From there to a second generation: changed, dropped with its copy put back, new.
    let plan = plan_files(
        &wanted(&first),
        &none,
        1,
        &seen(&disk, &no_copies),
        &BTreeMap::new(),
    );
    let mut record = none.clone();
    claim(&mut record, &plan);
    record.commit(&plan);
    let mut after = disk.clone();
    let mut kept = BTreeMap::new();
    for change in plan.changes() {
        after.insert(change.target.clone(), change.after.clone());
    }
    copy(&mut kept, &plan);
    assert_eq!(kept.len(), 1, "what is foreign is copied first");
    walk(&record, &after, &kept, &[("a", "2"), ("c", "1")], &first);
    walk(&record, &after, &kept, &[], &first);
    // Someone has edited one of them.
    after.insert(target("a"), file("by hand"));
    walk(&record, &after, &kept, &[("a", "2")], &first);
    walk(&record, &after, &kept, &[], &first);
}
