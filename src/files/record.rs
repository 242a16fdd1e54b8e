//! How the record of owned files moves: claimed before the effects, settled after an interruption, committed at the end.
//!
//! Pure. Every prefix of an activation leaves a claim from which `settle` tells what is ours.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::files::built::Built;
use crate::files::decide::{FileChange, FilesPlan, KeepReason, Seen, Verb, node};
use crate::model::in_order;
use crate::model::names::{FileName, TargetPath};
use crate::model::node::Node;
use crate::model::text::Text;
use crate::store::backups::{Backups, SavedEdit};
use crate::store::owned::{Claiming, Owned, Owns, Record};

#[cfg(test)]
mod tests;

/// What is owned of files below `/etc`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FilesRecord {
    /// Files that are ours.
    #[serde(deserialize_with = "in_order::read")]
    pub entries: BTreeMap<TargetPath, OwnedFile>,
    /// Folders that are ours.
    pub folders: BTreeMap<TargetPath, OwnedFolder>,
}

/// A file or link that is ours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OwnedFile {
    /// What we put there; none where nothing of ours is, or will be.
    pub placed: Owned<Option<Placed>>,
    /// What stood there when the activation under way began: whether a file was removed can't be told without it, since
    /// a foreign one may have come since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Node>,
    /// The foreign file that stood there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<FileName>,
    /// The distribution's package whose file that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
}

/// What we put somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Placed {
    /// What it looks like.
    pub node: Node,
    /// The path whose content it has, or the text of the link.
    pub source: Text,
    /// What a link leads to in the store, as it was built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built: Option<Built>,
}

impl OwnedFile {
    /// Returns what we put there and left.
    #[must_use]
    pub fn node(&self) -> &Node {
        self.placed.is.as_ref().map_or(&Node::Absent, |p| &p.node)
    }

    /// Returns the path whose content it has, or the text of the link; none where nothing of ours is.
    #[must_use]
    pub fn source(&self) -> Option<&Text> {
        self.placed.is.as_ref().map(|placed| &placed.source)
    }
}

/// A folder that is ours: it goes when it is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OwnedFolder {
    /// The foreign file that stood there before a file of ours, which this folder replaced.
    pub backup: Option<FileName>,
}

impl Owns for FilesRecord {
    fn is_begun(&self) -> bool {
        self.entries.values().any(|f| f.placed.is_begun())
    }

    fn begun(&self) -> Vec<&TargetPath> {
        let begun = self.entries.iter().filter(|(_, f)| f.placed.is_begun());
        begun.map(|(target, _)| target).collect()
    }

    fn backups(&self) -> Vec<&FileName> {
        let files = self.entries.values().filter_map(|f| f.backup.as_ref());
        let folders = self.folders.values().filter_map(|f| f.backup.as_ref());
        files.chain(folders).collect()
    }
}

impl Record for FilesRecord {
    type Seen = Seen;
    type Plan = FilesPlan;

    fn settle(&mut self, seen: &Seen) {
        let folders = &self.folders;
        self.entries.retain(|target, file| {
            let is_replaced = folders.contains_key(target);
            settle_file(file, node(seen, target), is_replaced, seen)
        });
    }

    fn claim(&mut self, plan: &FilesPlan, claiming: &mut Claiming<'_>) {
        let (backups, now) = (&mut *claiming.backups, claiming.now);
        for change in plan.changes() {
            if let Some(keep) = &change.keep {
                backups.next += 1;
                if keep.reason == KeepReason::Drift {
                    backups.saved.push(saved(&change.target, &keep.backup, now));
                }
            }
            if let (Some(_), Some(backup)) = (&change.withheld, &change.backup)
                // An interrupted run may have done this already.
                && backups.saved.iter().all(|edit| edit.backup != *backup)
            {
                backups.saved.push(saved(&change.target, backup, now));
            }
            self.claim_file(change);
        }
        for mend in &plan.mends {
            if let (Some(keep), Some(target)) = (&mend.keep, mend.targets.first()) {
                backups.next += 1;
                backups.saved.push(saved(target, &keep.backup, now));
            }
        }
        for folder in &plan.make_folders {
            // A file of ours that this folder replaces leaves its backup to it.
            let carried = self.entries.get(folder).and_then(|f| f.backup.clone());
            self.folders
                .entry(folder.clone())
                .and_modify(|f| f.backup = f.backup.take().or_else(|| carried.clone()))
                .or_insert_with(|| OwnedFolder {
                    backup: carried.clone(),
                });
        }
    }

    fn commit(&mut self, plan: &FilesPlan) {
        for change in plan.changes() {
            if let Some(file) = self.entries.get_mut(&change.target) {
                file.placed.commit();
                file.from = None;
                if file.placed.is.is_none() {
                    self.entries.remove(&change.target);
                }
            }
        }
        for folder in plan.remove_folders.iter().chain(&plan.released_folders) {
            self.folders.remove(folder);
        }
    }
}

/// Settles the record of a file; whether it is still ours, or has a backup that is still to be put back.
fn settle_file(file: &mut OwnedFile, now: &Node, is_replaced: bool, seen: &Seen) -> bool {
    let Some(from) = file.from.take() else {
        return true;
    };
    let backup = file.backup.as_ref();
    let is_put_back = || backup.is_none_or(|id| seen.backups.get(id) == Some(now));
    let is_going = file.placed.becomes == Some(None);
    let is_done = match &file.placed.becomes {
        Some(Some(next)) => *now == next.node,
        // A folder of ours may have taken its place, and carries its backup.
        Some(None) => *now != from && (is_replaced || is_put_back()),
        None => false,
    };
    file.placed.settle(|_| is_done);
    if is_going {
        return !is_done;
    }
    // A new entry that was not placed yet: what stands there is still someone else's.
    file.placed.is.is_some() || *now != from && file.backup.is_some()
}

impl FilesRecord {
    /// Returns the record as it will be once the plan has been carried out.
    #[must_use]
    pub fn after(&self, plan: &FilesPlan) -> Self {
        let mut after = self.clone();
        let backups = &mut Backups::default();
        after.claim(plan, &mut Claiming { backups, now: 0 });
        after.commit(plan);
        after
    }

    fn claim_file(&mut self, change: &FileChange) {
        match (change.verb, &change.source) {
            (Verb::Add | Verb::Change | Verb::Adopt, Some(source)) => {
                let file = self.entries.entry(change.target.clone()).or_default();
                file.placed.claim(Some(Placed {
                    node: change.after.clone(),
                    source: source.clone(),
                    built: change.built.clone(),
                }));
                file.from = Some(change.before.clone());
                file.backup.clone_from(&change.backup);
                file.package.clone_from(&change.package);
            }
            _ => {
                if let Some(file) = self.entries.get_mut(&change.target) {
                    file.placed.claim(None);
                    file.from = Some(change.before.clone());
                }
            }
        }
    }
}

fn saved(target: &TargetPath, backup: &FileName, time: u64) -> SavedEdit {
    SavedEdit {
        target: target.clone(),
        backup: backup.clone(),
        time,
    }
}
