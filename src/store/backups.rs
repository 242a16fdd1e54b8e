//! The folder in which foreign files and hand-made changes are kept: `/var/lib/system-manager/backups`.
//!
//! A backup is the file itself, with mode, owner, extended attributes and times.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::host::fs::{Content, NewFile, Root};
use crate::model::names::{FileName, TargetPath};
use crate::model::node::Node;

/// Where the backups are, relative to the root.
pub(crate) const FOLDER: &str = "var/lib/system-manager/backups";

/// A kept hand-made change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SavedEdit {
    /// Where it stood.
    pub target: TargetPath,
    /// Its name in the folder of backups.
    pub backup: FileName,
    /// When it was saved, in seconds since 1970.
    pub time: u64,
}

/// What is remembered of backups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Backups {
    /// Hand-made changes of managed files that were kept when the files were put right.
    pub saved: Vec<SavedEdit>,
    /// The number of the next backup.
    pub next: u64,
}

impl Default for Backups {
    fn default() -> Self {
        Self {
            saved: Vec::new(),
            next: 1,
        }
    }
}

impl Backups {
    /// Leaves one copy of each edit: what a run that was cut short has kept, the one that resumes it keeps again; and of
    /// some edits it had only said that it would.
    ///
    /// # Errors
    /// When a copy can't be read.
    pub(crate) fn keep_once(&mut self, root: &Root) -> Result<()> {
        let mut once: Vec<(SavedEdit, Node)> = Vec::new();
        for edit in std::mem::take(&mut self.saved).into_iter().rev() {
            let copy = node(root, &edit.backup)?;
            let is_double =
                |(other, same): &(SavedEdit, Node)| other.target == edit.target && *same == copy;
            if copy != Node::Absent && !once.iter().any(is_double) {
                once.push((edit, copy));
            }
        }
        self.saved = once.into_iter().rev().map(|(edit, _)| edit).collect();
        Ok(())
    }
}

/// Gives the path of a backup, relative to the root.
#[must_use]
pub(crate) fn path(id: &FileName) -> PathBuf {
    Path::new(FOLDER).join(id)
}

/// Copies what stands at `target` into the backups.
///
/// # Errors
/// When it can't be copied.
pub(crate) fn keep(root: &Root, target: &TargetPath, id: &FileName) -> Result<()> {
    super::make_folder(root)?;
    root.make_folder(Path::new(FOLDER), 0o700)?;
    root.copy(&target.in_etc(), &path(id))
}

/// Copies a file of any place, whose SHA-256 is this, into the backups.
///
/// # Errors
/// When it can't be copied, or has another content by now.
pub(crate) fn keep_outside(root: &Root, from: &str, sha256: &str, id: &FileName) -> Result<()> {
    super::make_folder(root)?;
    root.make_folder(Path::new(FOLDER), 0o700)?;
    let content = Content::Source { path: from, sha256 };
    let (mode, uid, gid) = (0o600, 0, 0);
    root.write_file(
        &path(id),
        &NewFile {
            content,
            mode,
            uid,
            gid,
        },
    )
}

/// Puts a backup back over what stands at `target`. The backup stays.
///
/// # Errors
/// When it can't be copied.
pub(crate) fn restore(root: &Root, target: &TargetPath, id: &FileName) -> Result<()> {
    root.copy(&path(id), &target.in_etc())
}

/// Removes a backup that is of no use any more.
///
/// # Errors
/// When it can't be removed.
pub(crate) fn discard(root: &Root, id: &FileName) -> Result<()> {
    root.remove_file(&path(id))
}

/// Removes the copies with numbers below `next` that are not `used`: those of runs that were killed, and of what was put
/// back. A copy with another number is of a state that is gone, and somebody's last one perhaps.
///
/// # Errors
/// When one can't be removed.
pub(crate) fn sweep(root: &Root, used: &BTreeSet<&FileName>, next: u64) -> Result<()> {
    for name in root.list(Path::new(FOLDER))? {
        let (Some(number), Ok(id)) = (number(&name), name.parse::<FileName>()) else {
            continue;
        };
        if number < next && !used.contains(&id) {
            discard(root, &id)?;
        }
    }
    Ok(())
}

/// Returns the number after those that are in use, for a host without a state.
///
/// # Errors
/// When the folder can't be read.
pub(crate) fn first_free(root: &Root) -> Result<u64> {
    let names = root.list(Path::new(FOLDER))?;
    Ok(names
        .iter()
        .filter_map(|name| number(name))
        .max()
        .unwrap_or(0)
        + 1)
}

fn number(name: &str) -> Option<u64> {
    name.split_once('-')?.0.parse().ok()
}

/// Reads what a backup is.
///
/// # Errors
/// When it can't be read.
pub(crate) fn node(root: &Root, id: &FileName) -> Result<Node> {
    root.node(&path(id))
}
