//! Overlays: what is written to a folder goes somewhere else, and the folder is what it was once the overlay is gone.
#![expect(
    clippy::disallowed_methods,
    reason = "mounts, and makes folders for it"
)]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::host::kernel;
use crate::host::mounts::{self, Mount};

/// The names of an overlay's folders: what was written, and what the kernel needs beside it.
const UPPER: &str = "upper";
const WORK: &str = "work";

/// Whether this process sees the same mounts as the system's first one: what it mounts is of no use to others otherwise.
///
/// # Errors
/// When the kernel does not say.
pub(crate) fn is_shared() -> Result<bool> {
    let of = |process: &str| fs::read_link(format!("/proc/{process}/ns/mnt"));
    let inner = || Ok::<_, std::io::Error>(of("self")? == of("1")?);
    inner().context("reading the mounts of this process")
}

/// Returns where what is written to `folder` goes, if that is below `place`.
///
/// # Errors
/// When the mounts can't be read.
pub(crate) fn find(folder: &Path, place: &Path) -> Result<Option<PathBuf>> {
    let upper = place.join(UPPER);
    let option = format!("upperdir={}", upper.display());
    let is_it = |mount: &&Mount| mount.at == folder && mount.has_option(&option);
    // Without the folder nothing is mounted, which is known where `/proc` is not, too.
    match fs::symlink_metadata(&upper) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.with_context(|| format!("looking at {}", upper.display()))?,
    };
    // The last one is on top.
    Ok(mounts::read()?.iter().rfind(is_it).map(|_| upper))
}

/// Lists what is mounted below `folder`: an overlay would hide it.
///
/// # Errors
/// When the mounts can't be read.
pub(crate) fn mounts_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mounts = mounts::read()?.into_iter().map(|mount| mount.at);
    Ok(mounts
        .filter(|at| at.starts_with(folder) && at != folder)
        .collect())
}

/// Has what is written to `folder` go to `place`.
///
/// # Errors
/// When the kernel can't do that.
pub(crate) fn put_on(folder: &Path, place: &Path) -> Result<()> {
    let inner = || -> Result<()> {
        let (upper, work) = (place.join(UPPER), place.join(WORK));
        fs::create_dir_all(&upper)?;
        fs::create_dir_all(&work)?;
        // The folder keeps its mode and owner, which are those of the layer on top.
        let beneath = fs::metadata(folder)?;
        fs::set_permissions(&upper, beneath.permissions())?;
        let (uid, gid) = {
            use std::os::unix::fs::MetadataExt;
            (beneath.uid(), beneath.gid())
        };
        std::os::unix::fs::chown(&upper, Some(uid), Some(gid))?;
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            folder.display(),
            upper.display(),
            work.display()
        );
        Ok(kernel::mount_overlay(folder, &options)?)
    };
    inner().with_context(|| {
        format!(
            "mounting an overlay on {}\nhint: the kernel must support overlayfs, and the file system of /run must be suitable for it",
            folder.display()
        )
    })
}

/// Takes the overlay off `folder`, whoever has something open there.
///
/// # Errors
/// When there is none.
pub(crate) fn take_off(folder: &Path) -> Result<()> {
    kernel::unmount(folder)
        .with_context(|| format!("unmounting the overlay from {}", folder.display()))
}
