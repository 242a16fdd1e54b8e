//! Overlays: what is written to a folder goes somewhere else, and the folder is what it was once the overlay is gone.
#![expect(
    clippy::disallowed_methods,
    reason = "mounts, and reads what is mounted"
)]

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::host::fs::unescape_mount;
use crate::host::kernel;

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
    let is_it = |line: &&str| {
        let mount = Mount::parse(line);
        mount.is_some_and(|m| m.at == folder && m.options.split(',').any(|o| o == option))
    };
    // Without the folder nothing is mounted, which is known where `/proc` is not, too.
    match fs::symlink_metadata(&upper) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.with_context(|| format!("looking at {}", upper.display()))?,
    };
    // The last one is on top.
    Ok(read_mounts()?.lines().rfind(is_it).map(|_| upper))
}

/// Lists what is mounted below `folder`: an overlay would hide it.
///
/// # Errors
/// When the mounts can't be read.
pub(crate) fn mounts_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let text = read_mounts()?;
    let mounts = text.lines().filter_map(Mount::parse).map(|m| m.at);
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

fn read_mounts() -> Result<String> {
    let text = fs::read("/proc/self/mountinfo").context("reading /proc/self/mountinfo")?;
    // Names that are not UTF-8 are none of ours.
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// A line of mountinfo, see proc(5).
struct Mount<'a> {
    at: PathBuf,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let at = before.split(' ').nth(4)?;
        Some(Self {
            at: PathBuf::from(OsString::from_vec(unescape_mount(at.as_bytes()))),
            options: after.rsplit(' ').next().unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines_of_mountinfo() {
        let line = r"61 29 0:44 / /etc/a\040b rw,relatime shared:1 - overlay overlay rw,lowerdir=/etc,upperdir=/run/x/upper,workdir=/run/x/work";
        let mount = Mount::parse(line).unwrap();
        assert_eq!(mount.at, Path::new("/etc/a b"));
        assert!(
            mount
                .options
                .split(',')
                .any(|o| o == "upperdir=/run/x/upper")
        );
        assert!(Mount::parse("cut").is_none());
    }
}
