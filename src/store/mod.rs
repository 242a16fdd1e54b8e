//! What is kept in `/var/lib/system-manager` and the profile: lock, generations, backups.

pub(crate) mod backups;
pub(crate) mod checked;
pub(crate) mod generations;
pub(crate) mod history;
pub(crate) mod installed;
pub(crate) mod kind;
pub(crate) mod lock;
pub(crate) mod owned;
pub(crate) mod pending;
pub(crate) mod secrets;
pub(crate) mod toplevel;

use std::path::Path;

use anyhow::Result;

use crate::host::fs::Root;

/// The folder that holds everything the activator remembers, relative to the root.
pub(crate) const FOLDER: &str = "var/lib/system-manager";

/// Its permission bits: everybody may follow `/run/current-system` through it, and nobody may look around.
pub(crate) const FOLDER_MODE: u32 = 0o711;

/// Where the upper layers of what is of this boot only are, and the name of what was active before.
pub(crate) const EPHEMERAL: &str = "/run/system-manager/ephemeral";

/// The file there that names what was active before; empty for nothing.
pub(crate) const EPHEMERAL_BEFORE: &str = "before";

/// Makes the folder that holds everything the activator remembers.
///
/// # Errors
/// When it can't be made.
pub(crate) fn make_folder(root: &Root) -> Result<()> {
    root.make_folders(Path::new("var/lib"))?;
    root.make_folder(Path::new(FOLDER), FOLDER_MODE)
}
