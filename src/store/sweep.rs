//! What a run that was cut short has left in the folders of this program, and belongs to nothing.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use crate::host::fs::{Root, TEMPORARY};
use crate::model::names::FileName;
use crate::store::{self, backups, generations};

/// Removes half-written files, and copies that a run made before it could record them, or could not remove any more.
///
/// `used` is every copy that belongs to anything. The caller holds the lock.
///
/// # Errors
/// When a folder can't be listed, or something in it can't be removed.
pub fn sweep(root: &Root, used: &BTreeSet<&FileName>) -> Result<()> {
    for folder in [store::FOLDER, backups::FOLDER, generations::FOLDER] {
        for name in root.list(Path::new(folder))? {
            let is_left = match name.parse::<FileName>() {
                Ok(id) => folder == backups::FOLDER && is_numbered(&name) && !used.contains(&id),
                Err(_) => false,
            };
            if is_left || name.starts_with(TEMPORARY) {
                tracing::debug!("removing {folder}/{name}, which belongs to nothing");
                root.remove_file(&Path::new(folder).join(&name))?;
            }
        }
    }
    Ok(())
}

/// Whether it is a name that copies have; what has another one is not of this program's making.
fn is_numbered(name: &str) -> bool {
    let number = name.split_once('-').map(|(number, _)| number);
    number.is_some_and(|n| n.parse::<u64>().is_ok())
}
