//! The decision about files and its record, in memory: what stands there, what is ours, what is wanted.

use std::collections::BTreeMap;

use super::*;
use crate::files::built::Damage;
use crate::files::record::{OwnedFile, Placed};
use crate::model::text::Text;
use crate::store::backups::Backups;
use crate::store::owned::{Claiming, Owned, Record as _};

pub(crate) fn target(name: &str) -> TargetPath {
    name.parse().unwrap()
}

pub(crate) fn file(content: &str) -> Node {
    Node::File {
        sha256: content.to_owned(),
        mode: 0o644,
        uid: 0,
        gid: 0,
    }
}

fn link(to: &str) -> Node {
    Node::Link { to: to.into() }
}

fn wanted(node: Node) -> Wanted {
    Wanted {
        node,
        source: "/source".into(),
        replace_existing: false,
        built: None,
        why_copy: None,
        alike: None,
    }
}

fn owned(is: Node) -> OwnedFile {
    OwnedFile {
        placed: Owned::at_rest(Some(Placed {
            node: is,
            source: "/source".into(),
            built: None,
        })),
        ..OwnedFile::default()
    }
}

fn claim(record: &mut FilesRecord, backups: &mut Backups, plan: &FilesPlan) {
    record.claim(plan, &mut Claiming { backups, now: 7 });
}

fn settled(record: &FilesRecord, seen: &Seen) -> FilesRecord {
    let mut record = record.clone();
    record.settle(seen);
    record
}

/// One file, `a`: what is wanted, what is ours, what stands there.
#[derive(Default)]
struct World {
    desired: BTreeMap<TargetPath, Wanted>,
    record: FilesRecord,
    seen: Seen,
    damaged: BTreeMap<Text, Damaged>,
}

impl World {
    fn new(wants: Option<Wanted>, owns: Option<OwnedFile>, stands: Node) -> Self {
        let mut world = Self::default();
        world.desired.extend(wants.map(|w| (target("a"), w)));
        world.record.entries.extend(owns.map(|o| (target("a"), o)));
        world.seen.nodes.insert(target("a"), stands);
        world
    }

    fn plan(&self) -> FilesPlan {
        plan_files(&self.desired, &self.record, 1, &self.seen, &self.damaged)
    }

    /// What happens, in a few words.
    fn told(&self) -> String {
        let plan = self.plan();
        let changes = plan.changes().map(|c| {
            let kept = c.keep.as_ref().map(|k| format!(", keeps {:?}", k.reason));
            format!("{:?}{}", c.verb, kept.unwrap_or_default())
        });
        let conflicts = plan.conflicts.iter().map(|_| "conflict".to_owned());
        let mends = plan.mends.iter().map(|m| match &m.keep {
            Some(keep) => format!("mends, keeps {:?}", keep.reason),
            None => "mends".to_owned(),
        });
        let all: Vec<String> = changes.chain(conflicts).chain(mends).collect();
        all.join("; ")
    }
}

/// What is wanted, what is ours, what stands there, what happens, and why.
type Case<'a> = (Option<&'a Node>, Option<&'a Node>, Node, &'a str, &'a str);

fn check(cases: &[Case<'_>]) {
    for (wants, owns, stands, expected, why) in cases {
        let (wants, owns) = (wants.cloned().map(wanted), owns.cloned().map(owned));
        let world = World::new(wants, owns, stands.clone());
        assert_eq!(world.told(), *expected, "{why}");
    }
}

#[test]
fn what_is_wanted_meets_what_is_ours_and_what_stands_there() {
    let (ours, new, other) = (file("ours"), file("new"), file("other"));
    check(&[
        (Some(&new), None, Node::Absent, "Add", "nothing is there"),
        (
            Some(&new),
            None,
            other.clone(),
            "conflict",
            "a foreign file",
        ),
        (
            Some(&new),
            None,
            new.clone(),
            "conflict",
            "a foreign file with the same content",
        ),
        (Some(&new), None, Node::Folder, "conflict", "a folder"),
        (Some(&new), None, Node::Special, "conflict", "a device"),
        (
            Some(&ours),
            Some(&ours),
            ours.clone(),
            "",
            "it is as wanted",
        ),
        (
            Some(&new),
            Some(&ours),
            ours.clone(),
            "Change",
            "it is ours, and changes",
        ),
        (
            Some(&new),
            Some(&ours),
            other.clone(),
            "Change, keeps Drift",
            "it was edited",
        ),
        (
            Some(&ours),
            Some(&ours),
            Node::Absent,
            "Add",
            "someone removed it",
        ),
        (
            Some(&new),
            Some(&ours),
            new.clone(),
            "Adopt",
            "someone put right what is wanted",
        ),
    ]);
}

#[test]
fn what_goes_is_removed_when_it_is_still_ours() {
    let (ours, other) = (file("ours"), file("other"));
    check(&[
        (None, Some(&ours), ours.clone(), "Remove", "it goes"),
        (
            None,
            Some(&ours),
            other.clone(),
            "Remove, keeps Drift",
            "it goes, edited",
        ),
        (
            None,
            Some(&ours),
            Node::Absent,
            "Forget",
            "it is gone already",
        ),
        (
            None,
            Some(&ours),
            Node::Folder,
            "Forget",
            "it is someone else's folder now",
        ),
        (None, None, other.clone(), "", "it is nobody's business"),
    ]);
}

#[test]
fn a_foreign_link_that_is_as_wanted_stays_foreign_unless_only_we_make_such() {
    for (to, expected) in [("/opt/x", ""), ("/nix/store/x", "Adopt")] {
        let mut wants = wanted(link(to));
        wants.source = to.into();
        assert_eq!(
            World::new(Some(wants), None, link(to)).told(),
            expected,
            "{to}"
        );
    }
}

#[test]
fn a_foreign_file_that_may_be_replaced_stays_while_it_is_as_wanted() {
    let described = |is: Node, alike: Option<Node>, stands: Node| {
        let wants = Wanted {
            replace_existing: true,
            alike,
            ..wanted(is)
        };
        World::new(Some(wants), None, stands).told()
    };
    let program = Node::File {
        sha256: "x".to_owned(),
        mode: 0o755,
        uid: 0,
        gid: 0,
    };
    let replaced = "Change, keeps Foreign";
    for (is, alike, stands, expected, why) in [
        (file("x"), None, file("x"), "", "the same"),
        (file("x"), None, file("y"), replaced, "another text"),
        (file("x"), None, program.clone(), replaced, "another mode"),
        (
            link("/nix/store/x"),
            Some(file("x")),
            file("x"),
            "",
            "shows the same",
        ),
        (
            link("/nix/store/x"),
            Some(program),
            file("x"),
            replaced,
            "no program",
        ),
        (link("b"), None, link("/etc/b"), "", "leads to the same"),
        (link("../b"), None, link("/b"), "", "leads to the same"),
        (link("b"), None, link("c/../b"), replaced, "c may be a link"),
    ] {
        assert_eq!(described(is, alike, stands), expected, "{why}");
    }
    let unasked = World::new(Some(wanted(file("x"))), None, file("x"));
    assert_eq!(unasked.told(), "conflict", "nobody has said that it may go");
}

#[test]
fn a_file_as_it_was_shipped_is_replaced_and_comes_back_until_its_package_is_purged() {
    let shipped = file("shipped");
    let vendor = |is_pristine| SeenVendor {
        package: "app".to_owned(),
        is_pristine,
    };
    let mut world = World::new(Some(wanted(file("new"))), None, shipped.clone());
    world.seen.vendors.insert(target("a"), vendor(false));
    assert_eq!(world.told(), "conflict", "it was edited");
    world.seen.vendors.insert(target("a"), vendor(true));
    assert_eq!(world.told(), "Change, keeps Foreign");

    let (mut record, mut backups) = (world.record.clone(), Backups::default());
    let plan = world.plan();
    claim(&mut record, &mut backups, &plan);
    record.commit(&plan);
    let kept = record.entries[&target("a")].clone();
    assert_eq!(kept.package.as_deref(), Some("app"));
    let backup = kept.backup.clone().unwrap();

    let mut going = World::new(None, Some(kept), file("new"));
    going.seen.backups.insert(backup.clone(), shipped);
    going.seen.vendors.insert(target("a"), vendor(false));
    assert_eq!(going.told(), "Restore");
    going.seen.vendors.clear();
    assert_eq!(going.told(), "Remove", "its package is gone");
    claim(&mut record, &mut backups, &going.plan());
    let saved: Vec<_> = backups.saved.iter().map(|s| &s.backup).collect();
    assert_eq!(saved, [&backup], "and the file is kept");
}

#[test]
fn what_is_damaged_in_the_store_is_mended_where_it_can_be() {
    let to = "/nix/store/x";
    let changed = || Damage::Changed {
        sha256: "edit".to_owned(),
    };
    let cases = [
        (
            true,
            changed(),
            Some(Means::Nix),
            "mends, keeps Drift",
            "an edit",
        ),
        (
            true,
            Damage::Missing,
            Some(Means::Nix),
            "mends",
            "it is gone",
        ),
        (
            true,
            changed(),
            None,
            "conflict",
            "nothing can put it right",
        ),
        (
            false,
            changed(),
            None,
            "Remove; mends, keeps Drift",
            "it goes: the edit is kept",
        ),
        (
            false,
            Damage::Missing,
            None,
            "Remove",
            "it goes, and nothing is lost",
        ),
    ];
    for (is_wanted, damage, means, expected, why) in cases {
        let wants = is_wanted.then(|| wanted(link(to)));
        let mut world = World::new(wants, Some(owned(link(to))), link(to));
        let damaged = Damaged {
            damage,
            built: None,
            means,
        };
        world.damaged.insert(to.into(), damaged);
        assert_eq!(world.told(), expected, "{why}");
    }
}

#[test]
fn after_a_stop_the_record_says_what_is_really_there() {
    let (from, to) = (file("old"), file("new"));
    let world = World::new(
        Some(wanted(to.clone())),
        Some(owned(from.clone())),
        from.clone(),
    );
    let mut claimed = world.record.clone();
    claim(&mut claimed, &mut Backups::default(), &world.plan());
    for (now, expected, why) in [
        (from.clone(), &from, "stopped before it was placed"),
        (to.clone(), &to, "stopped after it was placed"),
        (file("edit"), &from, "someone wrote meanwhile: it is drift"),
    ] {
        let mut seen = Seen::default();
        seen.nodes.insert(target("a"), now);
        let record = settled(&claimed, &seen);
        assert_eq!(*record.entries[&target("a")].node(), *expected, "{why}");
        assert_eq!(record.entries[&target("a")].from, None, "{why}");
    }
}

#[test]
fn a_new_entry_that_was_never_placed_is_not_ours() {
    let world = World::new(Some(wanted(file("new"))), None, Node::Absent);
    let mut claimed = world.record.clone();
    claim(&mut claimed, &mut Backups::default(), &world.plan());
    let mut seen = Seen::default();
    seen.nodes.insert(target("a"), Node::Absent);
    assert!(settled(&claimed, &seen).entries.is_empty());
    seen.nodes.insert(target("a"), file("new"));
    assert_eq!(settled(&claimed, &seen).entries.len(), 1);
}
