//! Removes what runs that were killed have left behind: what was to be renamed into its place, locks, copies that nobody
//! needs. Whichever run comes next does it, whatever it is for.

use std::path::Path;

use anyhow::Result;

use crate::accounts;
use crate::activation::apply;
use crate::activation::state::State;
use crate::activation::takeover;
use crate::host::fs::Root;
use crate::store::{self, backups, generations};

/// Folders in which everything is ours, or has a name that only we give.
const FOLDERS: [&str; 4] = [
    store::FOLDER,
    backups::FOLDER,
    generations::FOLDER,
    apply::GC_ROOTS,
];

/// Removes it. The caller holds the lock, so no other run is making any of it.
///
/// # Errors
/// When something is there and can't be removed.
pub(crate) fn sweep(root: &Root) -> Result<()> {
    for folder in FOLDERS.map(Path::new) {
        for name in root.list(folder)? {
            if is_unfinished(&name) {
                tracing::info!(
                    "removing {}, which an interrupted run has left",
                    root.show(&folder.join(&name)).display()
                );
                root.remove_unfinished(&folder.join(&name))?;
            }
        }
    }
    for path in FOLDERS
        .iter()
        .flat_map(|folder| Path::new(folder).ancestors())
    {
        if path != Path::new("") && root.find_leftover(path)?.is_some() {
            root.remove_leftover(path)?;
        }
    }
    accounts::apply::sweep(root)?;
    takeover::sweep(root)?;
    // A state that can't be trusted says nothing of what is needed; the command that comes now refuses it.
    if !root.list(Path::new(backups::FOLDER))?.is_empty()
        && let Ok(state) = State::read(root)
    {
        state.sweep_backups(root)?;
    }
    root.sync()
}

/// Whether a name is one under which something is prepared.
fn is_unfinished(name: &str) -> bool {
    let digest = name.strip_prefix(".system-manager-").unwrap_or_default();
    let is_digest = digest.len() == 16 && digest.bytes().all(|b| b.is_ascii_hexdigit());
    is_digest || name.ends_with(".json+")
}
