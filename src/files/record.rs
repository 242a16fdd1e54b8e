//! How the record of owned files moves: claimed before the effects, settled after an interruption, committed at the end.
//!
//! Pure. Every prefix of an activation leaves a claim from which `settle` tells what is ours.

use crate::activation::state::{Becoming, OwnedFile, OwnedFolder, SavedEdit, State};
use crate::files::decide::{FileChange, FilesPlan, KeepReason, Seen, Verb, node};
use crate::host::fs::Node;
use crate::model::names::TargetPath;

/// Resolves what an interrupted activation left open, by what the disk shows.
#[must_use]
pub fn settle(state: &State, seen: &Seen) -> State {
    if state.files.values().all(|file| file.becoming.is_none()) {
        return state.clone();
    }
    let mut settled = state.clone();
    // It is not what was read any more.
    settled.checksum.clear();
    settled.files = state
        .files
        .iter()
        .filter_map(|(target, file)| {
            Some((target.clone(), settle_file(target, file, state, seen)?))
        })
        .collect();
    settled
}

/// Gives the settled record of a file, or none when it is not ours.
fn settle_file(
    target: &TargetPath,
    file: &OwnedFile,
    state: &State,
    seen: &Seen,
) -> Option<OwnedFile> {
    let now = node(seen, target);
    let kept = OwnedFile {
        becoming: None,
        ..file.clone()
    };
    match &file.becoming {
        Some(Becoming::Ours { to, source, .. }) if now == to => Some(OwnedFile {
            is: to.clone(),
            source: source.clone(),
            ..kept
        }),
        // A new entry that was not placed yet: what stands there is still someone else's.
        Some(Becoming::Ours { from, .. }) if file.is == Node::Absent => {
            (now != from && file.backup.is_some()).then_some(kept)
        }
        None | Some(Becoming::Ours { .. }) => Some(kept),
        Some(Becoming::Gone { from }) if now == from => Some(kept),
        // A folder of ours took its place, and carries its backup.
        Some(Becoming::Gone { .. }) if state.folders.contains_key(target) => None,
        Some(Becoming::Gone { .. }) => {
            let backup = file.backup.as_ref()?;
            (seen.backups.get(backup) != Some(now)).then_some(kept)
        }
    }
}

/// Records what an activation is about to do with files. `state` must be settled.
pub fn claim(state: &mut State, plan: &FilesPlan, now: u64) {
    for change in plan.changes() {
        if let Some(keep) = &change.keep {
            state.next_backup += 1;
            if keep.reason == KeepReason::Drift {
                state.saved.push(SavedEdit {
                    target: change.target.clone(),
                    backup: keep.backup.clone(),
                    time: now,
                });
            }
        }
        claim_file(state, change);
    }
    for folder in &plan.make_folders {
        // A file of ours that this folder replaces leaves its backup to it.
        let carried = state.files.get(folder).and_then(|f| f.backup.clone());
        state
            .folders
            .entry(folder.clone())
            .and_modify(|f| f.backup = f.backup.take().or_else(|| carried.clone()))
            .or_insert_with(|| OwnedFolder {
                backup: carried.clone(),
            });
    }
}

fn claim_file(state: &mut State, change: &FileChange) {
    let from = change.before.clone();
    match (change.verb, &change.source) {
        (Verb::Add | Verb::Change | Verb::Adopt, Some(source)) => {
            let becoming = Becoming::Ours {
                from,
                to: change.after.clone(),
                source: source.clone(),
            };
            let file = state
                .files
                .entry(change.target.clone())
                .or_insert_with(|| OwnedFile {
                    is: Node::Absent,
                    becoming: None,
                    source: source.clone(),
                    backup: None,
                });
            file.becoming = Some(becoming);
            file.backup.clone_from(&change.backup);
        }
        _ => {
            if let Some(file) = state.files.get_mut(&change.target) {
                file.becoming = Some(Becoming::Gone { from });
            }
        }
    }
}

/// Records that everything of the plan has been done.
pub fn commit(state: &mut State, plan: &FilesPlan) {
    for change in plan.changes() {
        match (change.verb, &change.source) {
            (Verb::Add | Verb::Change | Verb::Adopt, Some(source)) => {
                state.files.insert(
                    change.target.clone(),
                    OwnedFile {
                        is: change.after.clone(),
                        becoming: None,
                        source: source.clone(),
                        backup: change.backup.clone(),
                    },
                );
            }
            _ => {
                state.files.remove(&change.target);
            }
        }
    }
    for folder in plan.remove_folders.iter().chain(&plan.released_folders) {
        state.folders.remove(folder);
    }
}
