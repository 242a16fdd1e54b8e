//! A folder that is mounted over itself so that nobody writes to it by mistake, such as `/nix/store`: writable for this
//! process alone.

use std::path::Path;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::statvfs::{FsFlags, statvfs};

use crate::host::kernel;

/// Lets this process, and what it starts from now on, write to a folder that is mounted read-only over itself. Nothing
/// changes for others, and nothing is left of it when this process ends.
///
/// # Errors
/// When the kernel refuses it.
pub(crate) fn lift_read_only(folder: &Path) -> Result<()> {
    let inner = || -> Result<(), Errno> {
        match statvfs(folder) {
            // What is not there, or can't be asked, is told by who needs it.
            Err(_) => return Ok(()),
            Ok(found) if !found.flags().contains(FsFlags::ST_RDONLY) => return Ok(()),
            Ok(_) => {}
        }
        match kernel::remount_writable(folder) {
            // It is no mount point: its whole file system is read-only, and that is told where something is written.
            Err(Errno::EINVAL) => Ok(()),
            other => other,
        }
    };
    inner().with_context(|| format!("making {} writable for this run", folder.display()))
}
