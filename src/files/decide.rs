//! The decision about files below `/etc`: what to add, change, remove, back up and put back, and what stands in the way.
//!
//! Pure. Own twice or don't touch: a file is replaced or removed only when the state says that it is ours; when the
//! disk shows something else than what we put there, that is kept first.

use crate::model::conflict::Conflict;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::files::record::FilesRecord;
use crate::model::names::{FileName, TargetPath};
use crate::model::node::Node;

const STORE: &str = "/nix/store/";

/// A wanted file with its owner resolved and its content hashed: comparable with what is observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What it must look like.
    pub node: Node,
    /// The path whose content it has, or the text of the link.
    pub source: String,
    /// Whether a foreign file is backed up and replaced.
    pub replace_existing: bool,
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
}

/// What happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
    /// It is as wanted already and becomes ours: the state that recorded it was lost.
    Adopt,
    /// It is gone or put back already; only the record goes.
    Forget,
}

/// Why what stands there is kept before it is replaced or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeepReason {
    /// It is not ours and comes back when the entry goes.
    Foreign,
    /// It is ours, changed by hand.
    Drift,
}

/// A file that is copied to the backups first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Keep {
    /// Its name in the folder of backups.
    pub backup: FileName,
    /// Why.
    pub reason: KeepReason,
}

/// One change of a file below `/etc`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FileChange {
    /// Where, below `/etc`.
    pub target: TargetPath,
    /// What happens.
    pub verb: Verb,
    /// What stands there now.
    pub before: Node,
    /// What will stand there.
    pub after: Node,
    /// The path whose content it gets, or the text of the link; none when it goes.
    pub source: Option<String>,
    /// What we had put there, when it was ours.
    pub was: Option<String>,
    /// What stands there is kept first.
    pub keep: Option<Keep>,
    /// The backup that belongs to the target: put back now (restore), or later.
    pub backup: Option<FileName>,
    /// Whether someone changed or removed it by hand since we put it there.
    pub drifted: bool,
}

/// All changes of files, in the order in which they are made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FilesPlan {
    /// Targets beside which an interrupted activation has left a half-written file; that goes first.
    pub leftovers: Vec<TargetPath>,
    /// Files that go, those inside a folder first; then the restored ones.
    pub removals: Vec<FileChange>,
    /// Folders of ours that go, innermost first, with the backup that they carry.
    pub remove_folders: Vec<TargetPath>,
    /// Folders that are made, outermost first.
    pub make_folders: Vec<TargetPath>,
    /// Files that are added, changed or adopted.
    pub writes: Vec<FileChange>,
    /// What stands in the way.
    pub conflicts: Vec<Conflict>,
    /// Folders that are not ours any more, and not removed: someone else's files are in them, or they are gone.
    pub released_folders: Vec<TargetPath>,
}

impl FilesPlan {
    /// Says whether nothing happens to any file or record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// All changes of files, in order.
    pub fn changes(&self) -> impl Iterator<Item = &FileChange> {
        self.removals.iter().chain(&self.writes)
    }
}

/// Decides about every file that is wanted or owned. Pure.
///
/// `record` must be settled; `next_backup` is the number of the next backup.
#[must_use]
pub fn plan_files(
    desired: &BTreeMap<TargetPath, Wanted>,
    record: &FilesRecord,
    next_backup: u64,
    seen: &Seen,
) -> FilesPlan {
    let mut planner = Planner {
        desired,
        record,
        seen,
        needed: desired.keys().flat_map(TargetPath::parents).collect(),
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
    let going: BTreeSet<_> = planner.plan.remove_folders.iter().cloned().collect();
    for (target, wanted) in desired {
        planner.plan_write(target, wanted, going.contains(target));
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
    fn plan_removals(&mut self) {
        let mut restores = Vec::new();
        for (target, file) in self.record.entries.iter().rev() {
            if self.desired.contains_key(target) {
                continue;
            }
            let before = node(self.seen, target).clone();
            // The folder that takes its place keeps the backup.
            let restore = file
                .backup
                .as_ref()
                .filter(|_| !self.needed.contains(target));
            let mut change = FileChange {
                target: target.clone(),
                verb: if restore.is_some() {
                    Verb::Restore
                } else {
                    Verb::Remove
                },
                drifted: before != file.is,
                before: before.clone(),
                after: Node::Absent,
                source: None,
                was: Some(file.source.clone()),
                keep: None,
                backup: file.backup.clone(),
            };
            match before {
                Node::Folder | Node::Special | Node::Blocked { .. } if restore.is_some() => {
                    self.conflict(
                        target,
                        "stands where a backed-up file must be put back",
                        "move it away",
                    );
                    continue;
                }
                Node::Absent if restore.is_none() => change.verb = Verb::Forget,
                // Someone put something else there that is not a file: it is theirs now.
                Node::Folder | Node::Special | Node::Blocked { .. } => {
                    change.verb = Verb::Forget;
                    change.after = change.before.clone();
                }
                Node::Link { .. } | Node::File { .. } if change.drifted => {
                    change.keep = Some(self.keep(target, KeepReason::Drift));
                }
                _ => {}
            }
            if let Some(id) = restore {
                match self.backup_node(target, id) {
                    Some(after) => change.after = after,
                    None => continue,
                }
                restores.push(change);
            } else {
                if change.verb == Verb::Remove {
                    self.removed.insert(target.clone());
                }
                self.plan.removals.push(change);
            }
        }
        restores.reverse();
        self.plan.removals.extend(restores);
    }

    fn plan_folders(&mut self) {
        let mut going: BTreeSet<&TargetPath> = BTreeSet::new();
        let mut restores = Vec::new();
        // Folders that something is put back into; they stay, and are made where someone removed them.
        let mut receiving: BTreeSet<TargetPath> = self
            .plan
            .removals
            .iter()
            .filter(|c| c.verb == Verb::Restore)
            .flat_map(|c| c.target.parents())
            .collect();
        for (folder, owned) in self.record.folders.iter().rev() {
            if self.needed.contains(folder) {
                continue;
            }
            let taken =
                self.desired.contains_key(folder) || self.record.entries.contains_key(folder);
            let backup = owned.backup.as_ref().filter(|_| !taken);
            let before = node(self.seen, folder).clone();
            if before == Node::Folder {
                let mut foreign = self.foreign_names(folder, &going);
                if foreign.is_empty() && receiving.contains(folder) {
                    foreign.push("one that is put back".to_owned());
                }
                if !foreign.is_empty() {
                    if self.desired.contains_key(folder) || owned.backup.is_some() {
                        self.conflict(
                            folder,
                            &format!(
                                "is a folder that holds files which are not ours ({})",
                                foreign.join(", ")
                            ),
                            "move them away",
                        );
                    } else {
                        self.plan.released_folders.push(folder.clone());
                    }
                    continue;
                }
                going.insert(folder);
                self.plan.remove_folders.push(folder.clone());
            } else {
                // It is gone, or something else took its place: only the record goes.
                self.plan.released_folders.push(folder.clone());
            }
            if let Some(id) = backup
                && let Some(restore) = self.restore_in_place_of_folder(folder, &before, id)
            {
                receiving.extend(folder.parents());
                restores.push(restore);
            }
        }
        self.plan.removals.extend(restores);
        self.plan_needed_folders(&receiving);
    }

    fn plan_needed_folders(&mut self, receiving: &BTreeSet<TargetPath>) {
        let released: BTreeSet<_> = self.plan.released_folders.iter().cloned().collect();
        for folder in &self.needed.union(receiving).cloned().collect::<Vec<_>>() {
            match node(self.seen, folder) {
                Node::Folder => {}
                Node::Absent => self.plan.make_folders.push(folder.clone()),
                Node::Blocked { at } if self.goes(at) => self.plan.make_folders.push(folder.clone()),
                // Reported for the folder that is in the way.
                Node::Blocked { .. } => {}
                _ if self.goes(&folder.in_etc()) => self.plan.make_folders.push(folder.clone()),
                Node::Link { .. } => self.conflict(
                    folder,
                    "is a symbolic link where a folder must be; links are not followed",
                    "name the folder that it points to in the configuration, or replace the link by a folder",
                ),
                _ => self.conflict(folder, "is not a folder, but entries lie below it", "move it away"),
            }
            // What is only made for someone else's file is not ours.
            let made = self.plan.make_folders.last() == Some(folder);
            if made && !self.needed.contains(folder) && !released.contains(folder) {
                self.plan.released_folders.push(folder.clone());
            }
        }
    }

    /// Puts back what stood where a file of ours and then a folder of ours came.
    fn restore_in_place_of_folder(
        &mut self,
        folder: &TargetPath,
        before: &Node,
        id: &FileName,
    ) -> Option<FileChange> {
        let drifted = matches!(before, Node::Link { .. } | Node::File { .. });
        if matches!(before, Node::Special | Node::Blocked { .. }) {
            self.conflict(
                folder,
                "stands where a backed-up file must be put back",
                "move it away",
            );
            return None;
        }
        let after = self.backup_node(folder, id)?;
        Some(FileChange {
            target: folder.clone(),
            verb: Verb::Restore,
            before: before.clone(),
            after,
            source: None,
            was: None,
            keep: drifted.then(|| self.keep(folder, KeepReason::Drift)),
            backup: Some(id.clone()),
            drifted,
        })
    }

    /// The names in an owned folder that will still be there when everything of ours has gone.
    fn foreign_names(&self, folder: &TargetPath, going: &BTreeSet<&TargetPath>) -> Vec<String> {
        let names = self
            .seen
            .listings
            .get(folder)
            .map_or(&[][..], Vec::as_slice);
        let foreign = names.iter().filter(|name| match folder.join(name) {
            Ok(path) => {
                !self.removed.contains(&path)
                    && !self.half_written.contains(&path)
                    && !going.contains(&path)
            }
            Err(_) => true,
        });
        foreign.cloned().collect()
    }

    fn plan_write(&mut self, target: &TargetPath, wanted: &Wanted, folder_goes: bool) {
        let owned = self.record.entries.get(target);
        let carried = self
            .record
            .folders
            .get(target)
            .and_then(|f| f.backup.clone());
        let observed = node(self.seen, target);
        let before = match observed {
            Node::Folder if folder_goes => &Node::Absent,
            Node::Blocked { at } if self.goes(at) => &Node::Absent,
            other => other,
        };
        let mut change = FileChange {
            target: target.clone(),
            verb: if *before == Node::Absent {
                Verb::Add
            } else {
                Verb::Change
            },
            before: observed.clone(),
            after: wanted.node.clone(),
            source: Some(wanted.source.clone()),
            was: owned.map(|o| o.source.clone()),
            keep: None,
            backup: owned.map_or(carried, |o| o.backup.clone()),
            drifted: owned.is_some_and(|o| o.is != *before),
        };
        match (before, owned) {
            (Node::Blocked { .. }, _) => return,
            (Node::Folder, _) => {
                self.conflict(
                    target,
                    "is a folder where a file must go",
                    "move it away, or drop the entry",
                );
                return;
            }
            (Node::Special, _) => {
                self.conflict(
                    target,
                    "is a device, socket or pipe where a file must go",
                    "move it away, or drop the entry",
                );
                return;
            }
            (seen, Some(owned)) if *seen == wanted.node => {
                if owned.is == wanted.node && owned.source == wanted.source {
                    return;
                }
                // Only the record changes: same content from another source, or put right by hand.
                change.verb = Verb::Adopt;
            }
            (seen, Some(owned)) if *seen != owned.is && *seen != Node::Absent => {
                change.keep = Some(self.keep(target, KeepReason::Drift));
            }
            (_, Some(_)) | (Node::Absent, None) => {}
            (Node::Link { .. }, None) if *before == wanted.node => {
                if !self.is_surely_ours(target, &wanted.source) {
                    // As wanted already, by someone else's hand: it stays theirs.
                    return;
                }
                change.verb = Verb::Adopt;
            }
            (_, None) if wanted.replace_existing => {
                let keep = self.keep(target, KeepReason::Foreign);
                change.backup = Some(keep.backup.clone());
                change.keep = Some(keep);
            }
            (_, None) => {
                self.conflict(
                    target,
                    "exists and is not managed by system-manager",
                    &format!(
                        "move it away, or set `environment.etc.{:?}.replaceExisting = true` to have it backed up and replaced",
                        target.as_str()
                    ),
                );
                return;
            }
        }
        self.plan.writes.push(change);
    }

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

    /// Says whether a link that is not in the state can only have been made by us.
    fn is_surely_ours(&self, target: &TargetPath, source: &str) -> bool {
        if source.starts_with(STORE) {
            return true;
        }
        let folder = target.parents().last();
        let sibling = match (source.strip_prefix("../"), folder) {
            (Some(name), Some(folder)) => match folder.parents().last() {
                Some(above) => above.join(name),
                None => name.parse(),
            },
            (None, Some(folder)) => folder.join(source),
            (_, None) => source.parse(),
        };
        sibling.is_ok_and(|path| {
            self.desired
                .get(&path)
                .is_some_and(|w| w.source.starts_with(STORE) && *node(self.seen, &path) == w.node)
        })
    }

    fn backup_node(&mut self, target: &TargetPath, id: &FileName) -> Option<Node> {
        match self.seen.backups.get(id) {
            Some(Node::Absent) | None => {
                self.plan.conflicts.push(Conflict {
                    subject: format!("/etc/{target}"),
                    cause: format!("the backup `{id}` of what stood here before is missing"),
                    remedy: format!(
                        "put the original back as /{}/{id}, or any file if it is not needed",
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
