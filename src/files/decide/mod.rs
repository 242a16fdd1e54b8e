//! The decision about files below `/etc`: what to add, change, remove, back up and put back, and what stands in the way.
//!
//! Pure. Own twice or don't touch: a file is replaced or removed only when the state says that it is ours; when the
//! disk shows something else than what we put there, that is kept first.

mod folders;
mod mends;
mod removals;
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::files::built::Built;
use crate::files::record::FilesRecord;
use crate::model::conflict::Conflict;
use crate::model::in_etc;
use crate::model::in_order::InOrder;
use crate::model::names::{FileName, TargetPath, folders_above};
use crate::model::node::Node;
use crate::model::text::Text;
use crate::store::kind::{Kept, Makes, Size, Tally, Touch};

pub(crate) use folders::{Access, FOLDER_MODE, FolderMend};
pub(crate) use mends::{Damaged, Means, Mend};
pub(crate) use writes::destination;

/// A wanted file with its owner resolved and its content hashed: comparable with what is observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// What it must look like.
    pub node: Node,
    /// The path whose content it has, or the text of the link.
    pub source: Text,
    /// Whether a foreign file is backed up and replaced.
    pub replace_existing: bool,
    /// What a link leads to in the store, as it was built.
    pub built: Option<Built>,
    /// Why it is a copy where the configuration has a link.
    pub why_copy: Option<String>,
    /// What a foreign file would be that shows all that the link shows, where it may be one.
    pub alike: Option<Node>,
}

/// What was read from the disk for the decision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// What stands at each target that is wanted or owned, and at the folders above them.
    pub nodes: BTreeMap<TargetPath, Node>,
    /// The names in each owned folder.
    pub listings: BTreeMap<TargetPath, Vec<String>>,
    /// What each backup is.
    pub backups: BTreeMap<FileName, Node>,
    /// Half-written files that an interrupted activation has left beside its targets.
    pub leftovers: BTreeMap<TargetPath, String>,
    /// Folders of ours that have not the mode or owner with which they were made: as they are, and as they were.
    pub changed_folders: BTreeMap<TargetPath, (Access, Access)>,
    /// Packages of the distribution to which targets belong.
    pub vendors: BTreeMap<TargetPath, SeenVendor>,
}

/// What is known of a package's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenVendor {
    /// The package.
    pub package: String,
    /// Whether what stands there is as it was shipped.
    pub is_pristine: bool,
}

/// What a package manager has left beside a managed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Beside {
    /// The managed file.
    #[serde(with = "in_etc")]
    #[schemars(with = "String")]
    pub target: TargetPath,
    /// What lies beside it.
    #[serde(with = "in_etc")]
    #[schemars(with = "String")]
    pub path: TargetPath,
    /// The package that it came with.
    pub package: Option<String>,
}

impl Beside {
    /// Returns what it is, for people.
    #[must_use]
    pub fn text(&self) -> String {
        let whose = self.package.as_ref().map_or_else(
            || "a package manager has left it there".to_owned(),
            |package| format!("of the package `{package}`"),
        );
        format!("/etc/{} beside /etc/{}, {whose}", self.path, self.target)
    }
}

/// What happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Verb {
    /// It is created.
    Add,
    /// It is replaced.
    Change,
    /// It is removed.
    Remove,
    /// The foreign file that it had replaced is put back.
    Restore,
    /// It is already as configured and becomes ours: the state that recorded it was lost.
    Adopt,
    /// It is gone or put back already; only the record goes.
    Forget,
}

impl Verb {
    /// Returns what a change with this verb counts as; none where only the record changes.
    pub(crate) fn tally(self) -> Option<Tally> {
        Some(match self {
            Self::Add => Tally::Add,
            Self::Change => Tally::Change,
            Self::Remove => Tally::Remove,
            Self::Restore => Tally::PutBack,
            Self::Adopt | Self::Forget => return None,
        })
    }
}

/// Why what stands there is kept before it is replaced or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum KeepReason {
    /// It is not ours and comes back when the entry goes.
    Foreign,
    /// It is ours, changed by hand.
    Drift,
}

/// A file that is copied to the backups first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Keep {
    /// Its name in the folder of backups.
    pub backup: FileName,
    /// Why.
    pub reason: KeepReason,
}

/// Returns the copy that is made of what stands somewhere, in the words of all kinds.
pub(crate) fn kept<'a>(keep: Option<&'a Keep>, before: &'a Node) -> Option<Kept<'a>> {
    keep.map(|keep| Kept {
        before,
        backup: &keep.backup,
        is_edit: keep.reason == KeepReason::Drift,
    })
}

/// One change of a file below `/etc`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FileChange {
    /// Where, below `/etc`.
    #[serde(with = "in_etc")]
    #[schemars(with = "String")]
    pub target: TargetPath,
    /// What happens.
    pub verb: Verb,
    /// What stands there now.
    pub before: Node,
    /// What will stand there.
    pub after: Node,
    /// The path whose content it gets, or the text of the link; none when it goes.
    #[schemars(with = "Option<String>")]
    pub source: Option<Text>,
    /// What we had put there, when it was ours.
    #[schemars(with = "Option<String>")]
    pub was: Option<Text>,
    /// What stands there is kept first.
    pub keep: Option<Keep>,
    /// The backup that belongs to the target: put back now (restore), or later.
    pub backup: Option<FileName>,
    /// Whether someone changed or removed it by hand since we put it there.
    pub drifted: bool,
    /// What a link leads to in the store, as it was built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built: Option<Built>,
    /// Why it is a copy where the configuration has a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_copy: Option<String>,
    /// The distribution's package whose file the backup is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Why the backup is not put back, but kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
}

impl FileChange {
    /// A change that does nothing yet.
    fn of(target: &TargetPath) -> Self {
        Self {
            target: target.clone(),
            verb: Verb::Forget,
            before: Node::Absent,
            after: Node::Absent,
            source: None,
            was: None,
            keep: None,
            backup: None,
            drifted: false,
            built: None,
            why_copy: None,
            package: None,
            withheld: None,
        }
    }
}

/// All changes of files, in the order in which they are made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FilesPlan {
    /// Targets beside which an interrupted activation has left a half-written file; that goes first.
    #[serde(with = "in_etc")]
    #[schemars(with = "Vec<String>")]
    pub leftovers: Vec<TargetPath>,
    /// Files that go, those inside a folder first; then the restored ones.
    pub removals: Vec<FileChange>,
    /// Folders of ours that go, innermost first, with the backup that they carry.
    #[serde(with = "in_etc")]
    #[schemars(with = "Vec<String>")]
    pub remove_folders: Vec<TargetPath>,
    /// Folders that are made, outermost first.
    #[serde(with = "in_etc")]
    #[schemars(with = "Vec<String>")]
    pub make_folders: Vec<TargetPath>,
    /// Files that are added, changed or adopted.
    pub writes: Vec<FileChange>,
    /// What stands in the way.
    pub conflicts: Vec<Conflict>,
    /// Folders that are not ours any more, and not removed: someone else's files are in them, or they are gone.
    #[serde(with = "in_etc")]
    #[schemars(with = "Vec<String>")]
    pub released_folders: Vec<TargetPath>,
    /// Folders of ours that get back their mode and owner.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folder_mends: Vec<FolderMend>,
    /// Files of the store that were changed through a link of ours, or are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mends: Vec<Mend>,
}

impl FilesPlan {
    /// Says whether nothing happens to any file or record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// All that is kept in the backups first.
    pub fn kept(&self) -> impl Iterator<Item = &Keep> {
        let of_changes = self.changes().filter_map(|c| c.keep.as_ref());
        of_changes.chain(self.mends.iter().filter_map(|m| m.keep.as_ref()))
    }

    /// All changes of files, in order.
    pub fn changes(&self) -> impl Iterator<Item = &FileChange> {
        self.removals.iter().chain(&self.writes)
    }

    /// Returns what it comes to, one for each that counts.
    pub(crate) fn tallies(&self) -> impl Iterator<Item = Tally> {
        let mends = self.mends.len() + self.folder_mends.len();
        let mends = std::iter::repeat_n(Tally::Change, mends);
        self.changes().filter_map(|c| c.verb.tally()).chain(mends)
    }

    /// Returns what is made, replaced or removed below `/etc`.
    pub(crate) fn touches(&self) -> Vec<Touch<'_>> {
        let is_done = |c: &&FileChange| !matches!(c.verb, Verb::Adopt | Verb::Forget);
        let files = self.changes().filter(is_done).map(|change| Touch {
            target: &change.target,
            makes: Makes::of(&change.after),
            size: match (&change.after, &change.source) {
                (Node::File { .. }, Some(source)) => Size::Of(source),
                _ => Size::Bytes(0),
            },
            kept: kept(change.keep.as_ref(), &change.before),
        });
        let folder = |makes| {
            move |target| Touch {
                target,
                makes,
                size: Size::Bytes(0),
                kept: None,
            }
        };
        let mended = self.folder_mends.iter().map(|mend| &mend.target);
        let others = self.remove_folders.iter().chain(mended).map(folder(None));
        let made = self.make_folders.iter().map(folder(Some(Makes::Folder)));
        files.chain(others).chain(made).collect()
    }
}

/// Decides about every file that is wanted or owned. Pure.
///
/// `record` must be settled; `next_backup` is the number of the next backup; `damaged` is what is wrong with files of the
/// store to which links lead, by the text of the link.
#[must_use]
pub(crate) fn plan_files(
    desired: &BTreeMap<TargetPath, Wanted>,
    record: &FilesRecord,
    next_backup: u64,
    seen: &Seen,
    damaged: &BTreeMap<Text, Damaged>,
) -> FilesPlan {
    let mut planner = Planner {
        desired,
        record,
        seen,
        needed: folders_above(desired.keys()),
        next_backup,
        removed: BTreeSet::new(),
        half_written: half_written(seen),
        plan: FilesPlan {
            leftovers: seen.leftovers.keys().cloned().collect(),
            ..FilesPlan::default()
        },
    };
    planner.plan_removals();
    planner.plan_folders();
    planner.plan_folder_mends();
    planner.plan_mends(damaged);
    let going: BTreeSet<_> = planner.plan.remove_folders.iter().cloned().collect();
    let (mut owned, mut now) = (InOrder::of(&record.entries), InOrder::of(&seen.nodes));
    for (target, wanted) in desired {
        let now = now.find(target).unwrap_or(&Node::Absent);
        let found = (owned.find(target), now);
        planner.plan_write(target, wanted, found, going.contains(target));
    }
    let mut plan = planner.plan;
    plan.conflicts.sort();
    plan.conflicts.dedup();
    plan
}

struct Planner<'a> {
    desired: &'a BTreeMap<TargetPath, Wanted>,
    record: &'a FilesRecord,
    seen: &'a Seen,
    needed: BTreeSet<TargetPath>,
    next_backup: u64,
    /// The files of ours that are removed, with nothing put back.
    removed: BTreeSet<TargetPath>,
    /// What an interrupted activation has left beside its targets.
    half_written: BTreeSet<TargetPath>,
    plan: FilesPlan,
}

fn half_written(seen: &Seen) -> BTreeSet<TargetPath> {
    let beside = |(target, name): (&TargetPath, &String)| match target.parents().last() {
        Some(folder) => folder.join(name).ok(),
        None => name.parse().ok(),
    };
    seen.leftovers.iter().filter_map(beside).collect()
}

impl Planner<'_> {
    /// Says whether the path (relative to the root) is a file of ours that is removed.
    fn goes(&self, at: &Path) -> bool {
        let target = at.strip_prefix("etc").ok().and_then(Path::to_str);
        target.is_some_and(|target| self.removed.contains(target))
    }

    fn keep(&mut self, target: &TargetPath, reason: KeepReason) -> Keep {
        let backup = FileName::numbered(self.next_backup, target);
        self.next_backup += 1;
        Keep { backup, reason }
    }

    fn backup_node(&mut self, target: &TargetPath, id: &FileName) -> Option<Node> {
        match self.seen.backups.get(id) {
            Some(Node::Absent) | None => {
                self.plan.conflicts.push(Conflict {
                    subject: format!("/etc/{target}"),
                    cause: format!("the backup `{id}` of the original is missing"),
                    remedy: format!(
                        "put the original there, as /{}/{id}, or any file if you do not need it",
                        crate::store::backups::FOLDER
                    ),
                });
                None
            }
            Some(node) => Some(node.clone()),
        }
    }

    fn conflict(&mut self, target: &TargetPath, cause: &str, remedy: &str) {
        self.plan.conflicts.push(Conflict {
            subject: format!("/etc/{target}"),
            cause: cause.to_owned(),
            remedy: remedy.to_owned(),
        });
    }
}

/// Gives what was seen at a target; what was not looked at counts as absent.
pub(crate) fn node<'a>(seen: &'a Seen, target: &TargetPath) -> &'a Node {
    seen.nodes.get(target).unwrap_or(&Node::Absent)
}

#[cfg(test)]
pub(super) mod tests;
