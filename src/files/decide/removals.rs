//! What goes: files and folders of ours, and what is put back in their place.

use std::collections::BTreeSet;

use super::{FileChange, KeepReason, Planner, Verb, node};
use crate::files::record::OwnedFile;
use crate::model::in_order::InOrder;
use crate::model::names::{FileName, TargetPath};
use crate::model::node::Node;

impl Planner<'_> {
    pub(super) fn plan_removals(&mut self) {
        let mut restores = Vec::new();
        let mut desired = InOrder::of(self.desired);
        let owned = self.record.entries.iter();
        let going: Vec<_> = owned
            .filter(|(target, _)| desired.find(target).is_none())
            .collect();
        for (target, file) in going.into_iter().rev() {
            match self.plan_removal(target, file) {
                Some(change) if change.verb == Verb::Restore => restores.push(change),
                Some(change) => {
                    if change.verb == Verb::Remove {
                        self.removed.insert(target.clone());
                    }
                    self.plan.removals.push(change);
                }
                None => {}
            }
        }
        restores.reverse();
        self.plan.removals.extend(restores);
    }

    /// Decides about a file that goes; none when that is a conflict.
    fn plan_removal(&mut self, target: &TargetPath, file: &OwnedFile) -> Option<FileChange> {
        let before = node(self.seen, target).clone();
        let backup = file.backup.as_ref();
        let withheld = backup.and_then(|_| self.withheld(target, file, &before));
        // The folder that takes its place keeps the backup.
        let restore = backup.filter(|_| !self.needed.contains(target) && withheld.is_none());
        let mut change = FileChange {
            verb: if restore.is_some() {
                Verb::Restore
            } else {
                Verb::Remove
            },
            drifted: before != *file.node(),
            before: before.clone(),
            was: file.source().cloned(),
            backup: file.backup.clone(),
            package: file.package.clone(),
            withheld,
            ..FileChange::of(target)
        };
        match before {
            Node::Folder | Node::Special | Node::Blocked { .. } if restore.is_some() => {
                self.conflict(
                    target,
                    "is in the place of a file that must be restored from the backups",
                    "move it away",
                );
                return None;
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
            change.after = self.backup_node(target, id)?;
        }
        Some(change)
    }

    /// Why the file that stood at a target can't be put back, which no change of the configuration by itself would undo.
    fn withheld(&self, target: &TargetPath, file: &OwnedFile, before: &Node) -> Option<String> {
        let is_gone = |_: &&String| !self.seen.vendors.contains_key(target);
        if let Some(package) = file.package.as_ref().filter(is_gone) {
            return Some(format!("its package `{package}` has been removed"));
        }
        if self.needed.contains(target) && *before == Node::Folder {
            return Some("somebody has created a folder in its place, which is needed".to_owned());
        }
        let takes = |above: &TargetPath| {
            let owned = self.record.folders.get(above);
            let is_put_back = owned.is_some_and(|folder| folder.backup.is_some())
                && !self.needed.contains(above)
                && !self.record.entries.contains_key(above);
            is_put_back || self.desired.contains_key(above)
        };
        let above = target.parents().find(takes)?;
        Some(format!("/etc/{above} is no longer a folder"))
    }

    pub(super) fn plan_folders(&mut self) {
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
                                "is a folder that contains foreign files ({})",
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
                    "in the configuration, name the folder that it points to, or replace the link by a folder",
                ),
                _ => self.conflict(folder, "is not a folder, but the configuration has entries below it", "move it away"),
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
                "is in the place of a file that must be restored from the backups",
                "move it away",
            );
            return None;
        }
        let after = self.backup_node(folder, id)?;
        Some(FileChange {
            verb: Verb::Restore,
            before: before.clone(),
            after,
            keep: drifted.then(|| self.keep(folder, KeepReason::Drift)),
            backup: Some(id.clone()),
            drifted,
            ..FileChange::of(folder)
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
}
