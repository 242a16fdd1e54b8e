//! How the record of owned files moves: claimed before the effects, settled after an interruption, committed at the end.
//!
//! Pure. Every prefix of an activation leaves a claim from which `settle` tells what is ours.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::files::built::Built;
use crate::files::decide::{FileChange, FilesPlan, KeepReason, Seen, Verb, node};
use crate::model::names::{FileName, TargetPath};
use crate::model::node::Node;
use crate::store::backups::{Backups, SavedEdit};

#[cfg(test)]
mod tests;

/// What is owned of files below `/etc`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FilesRecord {
    /// Files that are ours.
    pub entries: BTreeMap<TargetPath, OwnedFile>,
    /// Folders that are ours.
    pub folders: BTreeMap<TargetPath, OwnedFolder>,
}

/// A file or link that is ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OwnedFile {
    /// What we put there; `Absent` while it is being made.
    pub is: Node,
    /// What an activation that has begun makes of it.
    pub becoming: Option<Becoming>,
    /// The path whose content it has, or the text of the link.
    pub source: String,
    /// The foreign file that stood there.
    pub backup: Option<FileName>,
    /// The distribution's package whose file that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// What a link leads to in the store, as it was built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built: Option<Built>,
}

/// What an activation that has begun makes of a file, and what stood there when it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Becoming {
    /// A file of ours.
    Ours {
        /// What stood there.
        from: Node,
        /// What it becomes.
        to: Node,
        /// The path whose content it gets, or the text of the link.
        source: String,
        /// What a link leads to in the store, as it was built.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        built: Option<Built>,
    },
    /// No file of ours: it is removed, or its backup put back.
    Gone {
        /// What stood there.
        from: Node,
    },
}

/// A folder that is ours: it goes when it is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OwnedFolder {
    /// The foreign file that stood there before a file of ours, which this folder replaced.
    pub backup: Option<FileName>,
}

impl FilesRecord {
    /// Returns the backups that belong to files and folders that are owned.
    pub fn backups(&self) -> impl Iterator<Item = &FileName> {
        let files = self.entries.values().filter_map(|f| f.backup.as_ref());
        let folders = self.folders.values().filter_map(|f| f.backup.as_ref());
        files.chain(folders)
    }
}

/// Resolves what an interrupted activation left open, by what the disk shows.
#[must_use]
pub fn settle(record: &FilesRecord, seen: &Seen) -> FilesRecord {
    FilesRecord {
        entries: record
            .entries
            .iter()
            .filter_map(|(target, file)| {
                Some((target.clone(), settle_file(target, file, record, seen)?))
            })
            .collect(),
        folders: record.folders.clone(),
    }
}

/// Gives the settled record of a file, or none when it is not ours.
fn settle_file(
    target: &TargetPath,
    file: &OwnedFile,
    record: &FilesRecord,
    seen: &Seen,
) -> Option<OwnedFile> {
    let now = node(seen, target);
    let kept = OwnedFile {
        becoming: None,
        ..file.clone()
    };
    match &file.becoming {
        Some(Becoming::Ours {
            to, source, built, ..
        }) if now == to => Some(OwnedFile {
            is: to.clone(),
            source: source.clone(),
            built: built.clone(),
            ..kept
        }),
        // A new entry that was not placed yet: what stands there is still someone else's.
        Some(Becoming::Ours { from, .. }) if file.is == Node::Absent => {
            (now != from && file.backup.is_some()).then_some(kept)
        }
        None | Some(Becoming::Ours { .. }) => Some(kept),
        Some(Becoming::Gone { from }) if now == from => Some(kept),
        // A folder of ours took its place, and carries its backup.
        Some(Becoming::Gone { .. }) if record.folders.contains_key(target) => None,
        Some(Becoming::Gone { .. }) => {
            let backup = file.backup.as_ref()?;
            (seen.backups.get(backup) != Some(now)).then_some(kept)
        }
    }
}

/// Records what an activation is about to do with files. `record` must be settled.
pub fn claim(record: &mut FilesRecord, backups: &mut Backups, plan: &FilesPlan, now: u64) {
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
        claim_file(record, change);
    }
    for mend in &plan.mends {
        if let (Some(keep), Some(target)) = (&mend.keep, mend.targets.first()) {
            backups.next += 1;
            backups.saved.push(saved(target, &keep.backup, now));
        }
    }
    for folder in &plan.make_folders {
        // A file of ours that this folder replaces leaves its backup to it.
        let carried = record.entries.get(folder).and_then(|f| f.backup.clone());
        record
            .folders
            .entry(folder.clone())
            .and_modify(|f| f.backup = f.backup.take().or_else(|| carried.clone()))
            .or_insert_with(|| OwnedFolder {
                backup: carried.clone(),
            });
    }
}

fn saved(target: &TargetPath, backup: &FileName, time: u64) -> SavedEdit {
    SavedEdit {
        target: target.clone(),
        backup: backup.clone(),
        time,
    }
}

fn claim_file(record: &mut FilesRecord, change: &FileChange) {
    let from = change.before.clone();
    match (change.verb, &change.source) {
        (Verb::Add | Verb::Change | Verb::Adopt, Some(source)) => {
            let becoming = Becoming::Ours {
                from,
                to: change.after.clone(),
                source: source.clone(),
                built: change.built.clone(),
            };
            let file = record
                .entries
                .entry(change.target.clone())
                .or_insert_with(|| OwnedFile {
                    is: Node::Absent,
                    becoming: None,
                    source: source.clone(),
                    backup: None,
                    package: None,
                    built: None,
                });
            file.becoming = Some(becoming);
            file.backup.clone_from(&change.backup);
            file.package.clone_from(&change.package);
        }
        _ => {
            if let Some(file) = record.entries.get_mut(&change.target) {
                file.becoming = Some(Becoming::Gone { from });
            }
        }
    }
}

/// Records that everything of the plan has been done.
pub fn commit(record: &mut FilesRecord, plan: &FilesPlan) {
    for change in plan.changes() {
        match (change.verb, &change.source) {
            (Verb::Add | Verb::Change | Verb::Adopt, Some(source)) => {
                record.entries.insert(
                    change.target.clone(),
                    OwnedFile {
                        is: change.after.clone(),
                        becoming: None,
                        source: source.clone(),
                        backup: change.backup.clone(),
                        package: change.package.clone(),
                        built: change.built.clone(),
                    },
                );
            }
            _ => {
                record.entries.remove(&change.target);
            }
        }
    }
    for folder in plan.remove_folders.iter().chain(&plan.released_folders) {
        record.folders.remove(folder);
    }
}
