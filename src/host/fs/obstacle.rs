//! What keeps a file from being replaced, as far as it can be known before anything is touched.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{self, Mode, SFlag};
use nix::unistd::{AccessFlags, faccessat};

use super::{Folder, Root, kind, lstat};
use crate::host::{kernel, mounts};

/// What keeps a file from being replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// The file, or the folder above it, relative to the root.
    pub at: PathBuf,
    /// What is wrong with it.
    pub cause: &'static str,
    /// What to do about it.
    pub remedy: String,
}

/// The room that is left on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Which file system.
    pub device: u64,
    /// Free bytes.
    pub bytes: u64,
    /// Free inodes; as many as there can be where there is no limit.
    pub files: u64,
}

impl Root {
    /// Lists the mount points of this process.
    ///
    /// # Errors
    /// When they can't be read.
    #[expect(clippy::disallowed_methods, reason = "looks where the root is")]
    pub fn read_mounts(&self) -> Result<BTreeSet<PathBuf>> {
        let root = std::fs::canonicalize(self.show(Path::new("")))
            .with_context(|| format!("looking at {}", self.show(Path::new("")).display()))?;
        let mounts = mounts::read()?.into_iter();
        let points =
            mounts.filter_map(|mount| mount.at.strip_prefix(&root).ok().map(Path::to_owned));
        Ok(points.collect())
    }

    /// Finds what keeps `relative` from being made, replaced or removed.
    ///
    /// # Errors
    /// When it can't be looked at.
    pub fn find_obstacle(
        &self,
        relative: &Path,
        mounts: &BTreeSet<PathBuf>,
    ) -> Result<Option<Obstacle>> {
        let inner = || -> Result<Option<Obstacle>> {
            let (folder, at) = self.deepest_folder(relative)?;
            if let Some(found) = self.folder_obstacle(&folder, &at)? {
                return Ok(Some(found));
            }
            if relative.parent() != Some(&at) {
                return Ok(None);
            }
            let name = relative.file_name().unwrap_or_default();
            let Some(st) = lstat(&folder, name)? else {
                return Ok(None);
            };
            let shown = self.show(relative).display().to_string();
            let obstacle = |cause, remedy| {
                let at = relative.to_owned();
                Ok(Some(Obstacle { at, cause, remedy }))
            };
            if mounts.contains(relative) {
                let remedy = format!("unmount it first: `umount {shown}`");
                return obstacle("is a mount point, and can't be replaced", remedy);
            }
            if kind(&st) == SFlag::S_IFREG && access(&folder, name)? == Err(Errno::EPERM) {
                let remedy = format!("remove the attribute: `chattr -i -a {shown}`");
                return obstacle("is immutable", remedy);
            }
            Ok(None)
        };
        inner().with_context(|| format!("looking at {}", self.show(relative).display()))
    }

    fn folder_obstacle(&self, folder: &Rc<OwnedFd>, at: &Path) -> Result<Option<Obstacle>> {
        let shown = self.show(at).display().to_string();
        let (cause, remedy) = match access(folder, OsStr::new("."))? {
            Err(Errno::EROFS) => (
                "is on a read-only file system",
                "remount it read-write".to_owned(),
            ),
            Err(Errno::EPERM) => (
                "is an immutable folder",
                format!("remove the attribute: `chattr -i -a {shown}`"),
            ),
            Err(Errno::EACCES) => (
                "is not writable",
                "run this as root, for example with sudo".to_owned(),
            ),
            Err(e) => return Err(e.into()),
            Ok(()) if kernel::is_plain(folder)? => (
                "is on a file system without links, owners and modes",
                "unmount it, or place the files elsewhere".to_owned(),
            ),
            Ok(()) => return Ok(None),
        };
        let at = at.to_owned();
        Ok(Some(Obstacle { at, cause, remedy }))
    }

    /// Returns the room on the file system where `relative` is, or will be.
    ///
    /// # Errors
    /// When the file system can't be asked.
    pub fn room_at(&self, relative: &Path) -> Result<Room> {
        let inner = || -> Result<Room> {
            let (folder, _) = self.deepest_folder(relative)?;
            let vfs = nix::sys::statvfs::fstatvfs(&*folder)?;
            let has_limit = vfs.files() != 0;
            Ok(Room {
                device: kernel::device_of(&stat::fstat(&*folder)?),
                bytes: kernel::free_bytes(&vfs),
                files: if has_limit {
                    kernel::free_files(&vfs)
                } else {
                    u64::MAX
                },
            })
        };
        inner().with_context(|| {
            format!(
                "asking for the free space at {}",
                self.show(relative).display()
            )
        })
    }

    /// Has the file system set aside this many bytes where `relative` is, or will be, and gives them back. Nobody sees the
    /// file that has them; a file system that can't do it is taken at its word.
    ///
    /// # Errors
    /// When there is not as much, also because of a quota.
    pub(crate) fn try_room(&self, relative: &Path, bytes: u64) -> Result<()> {
        let inner = || -> Result<(), Errno> {
            let (folder, _) = self
                .deepest_folder(relative)
                .map_err(|_| Errno::EOPNOTSUPP)?;
            let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
            let file = kernel::open_nameless(&*folder, flags, Mode::S_IRUSR)?;
            kernel::set_aside(file, i64::try_from(bytes).unwrap_or(i64::MAX))
        };
        match inner() {
            Err(e @ (Errno::ENOSPC | Errno::EDQUOT)) => {
                let at = relative.parent().unwrap_or(relative);
                Err(e).with_context(|| {
                    format!(
                        "setting aside {bytes} bytes below {}\nhint: free some space there, or raise the quota of that file system (`quota`, `btrfs qgroup show`)",
                        self.show(at).display()
                    )
                })
            }
            // What else is wrong is told where it is needed.
            _ => Ok(()),
        }
    }

    /// Opens the folder above `relative` that is there, the nearest one, and returns its path.
    fn deepest_folder(&self, relative: &Path) -> Result<(Rc<OwnedFd>, PathBuf)> {
        for above in relative.ancestors().skip(1) {
            if let Folder::Open(folder) = self.folder(above)? {
                return Ok((folder, above.to_owned()));
            }
        }
        Ok((self.fd.clone(), PathBuf::new()))
    }
}

/// Whether the kernel would let us write; root is only kept from it by what is no matter of permissions.
fn access(folder: &Rc<OwnedFd>, name: &OsStr) -> Result<Result<(), Errno>> {
    match faccessat(&**folder, name, AccessFlags::W_OK, AtFlags::AT_EACCESS) {
        Err(e @ (Errno::EROFS | Errno::EPERM | Errno::EACCES)) => Ok(Err(e)),
        Err(e) => Err(e.into()),
        Ok(()) => Ok(Ok(())),
    }
}
