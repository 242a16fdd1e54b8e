//! What is kept in `/var/lib/system-manager` and the profile: lock, generations, backups.

pub mod backups;
pub mod checked;
pub mod generations;
pub mod history;
pub mod lock;
pub mod pending;
pub mod toplevel;

use std::path::Path;

use anyhow::Result;

use crate::host::fs::Root;

/// The folder that holds everything the activator remembers, relative to the root.
pub const FOLDER: &str = "var/lib/system-manager";

/// Its permission bits: everybody may follow `/run/current-system` through it, and nobody may look around.
pub const FOLDER_MODE: u32 = 0o711;

/// Makes the folder that holds everything the activator remembers.
///
/// # Errors
/// When it can't be made.
pub fn make_folder(root: &Root) -> Result<()> {
    root.make_folders(Path::new("var/lib"))?;
    root.make_folder(Path::new(FOLDER), FOLDER_MODE)
}
