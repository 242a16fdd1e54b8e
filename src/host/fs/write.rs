//! Writes below a root: each file is prepared beside its place and renamed into it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, Result, anyhow, bail};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, readlinkat, renameat};
use nix::sys::stat::{self, FileStat, Mode, SFlag};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchownat, symlinkat, unlinkat};
use sha2::{Digest, Sha256};
use xattr::FileExt;

use super::content::{Content, fill};
use super::{FOLDER_FLAGS, Folder, READ_FLAGS, Root, kind, lstat};
use crate::host::{kernel, selinux};
use crate::model::node::hex;

#[cfg(test)]
mod tests;

/// How many folders wait for `sync` at most; each holds a file descriptor.
const MOST_UNSYNCED: usize = 64;

/// A regular file that is to be written.
pub struct NewFile<'a> {
    /// Its content.
    pub content: Content<'a>,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl<'a> NewFile<'a> {
    /// Returns one of root's.
    #[must_use]
    pub(crate) fn of_root(content: Content<'a>, mode: u32) -> Self {
        Self {
            content,
            mode,
            uid: 0,
            gid: 0,
        }
    }
}

impl Root {
    /// Makes a folder with these permission bits. An existing one is left as it is.
    ///
    /// # Errors
    /// When something else stands there, or it can't be made.
    pub fn make_folder(&self, relative: &Path, mode: u32) -> Result<()> {
        let inner = || -> Result<()> {
            if matches!(self.folder(relative)?, Folder::Open(_)) {
                return Ok(());
            }
            self.make_room()?;
            let (folder, name) = self.open_parent(relative)?;
            // Beside its place, so that it is never seen with another mode than this; mkdir is subject to the umask.
            let temporary = temporary_name(name);
            remove_at(&folder, &temporary)?;
            self.labelled(relative, || {
                Ok(stat::mkdirat(&*folder, temporary.as_str(), Mode::S_IRWXU)?)
            })?;
            let placed = openat(&*folder, temporary.as_str(), FOLDER_FLAGS, Mode::empty())
                .and_then(|made| {
                    // The folder above may give its own group to what is made in it.
                    nix::unistd::fchown(&made, None, Some(nix::unistd::getegid()))?;
                    stat::fchmod(made, kernel::mode(mode))
                })
                .and_then(|()| place_folder(&folder, &temporary, name));
            if placed.is_err() {
                // The first error is the one to report.
                let _ = remove_at(&folder, &temporary);
            }
            match placed {
                Ok(()) => {
                    self.changed(&folder);
                    Ok(())
                }
                // Someone else was faster; theirs is left as it is.
                Err(Errno::EEXIST) if matches!(self.folder(relative)?, Folder::Open(_)) => Ok(()),
                Err(e) => Err(e.into()),
            }
        };
        inner().with_context(|| format!("creating the folder {}", self.show(relative).display()))
    }

    /// Gives a folder this mode and owner.
    ///
    /// # Errors
    /// When it is not there, or that can't be done.
    pub fn set_access(&self, relative: &Path, mode: u32, uid: u32, gid: u32) -> Result<()> {
        let inner = || -> Result<()> {
            let Folder::Open(folder) = self.folder(relative)? else {
                bail!("it is not a folder any more");
            };
            nix::unistd::fchown(&*folder, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
            // After the owner, since chown clears setuid and setgid.
            stat::fchmod(&*folder, kernel::mode(mode))?;
            self.changed(&folder);
            Ok(())
        };
        inner().with_context(|| {
            let shown = self.show(relative);
            format!("giving the folder {} its mode and owner", shown.display())
        })
    }

    /// Makes a folder and those above it, each 0755.
    ///
    /// # Errors
    /// When something else stands in the way, or it can't be made.
    pub fn make_folders(&self, relative: &Path) -> Result<()> {
        let mut at = PathBuf::new();
        for part in relative.components() {
            at.push(part);
            if !matches!(self.folder(&at)?, Folder::Open(_)) {
                self.make_folder(&at, 0o755)?;
            }
        }
        Ok(())
    }

    /// Removes an empty folder; false when it is not empty, true when it is gone.
    ///
    /// # Errors
    /// When it can't be removed for another reason.
    pub fn remove_folder(&self, relative: &Path) -> Result<bool> {
        let inner = || -> Result<bool> {
            let (Folder::Open(folder), name) = self.parent(relative)? else {
                return Ok(true);
            };
            self.make_room()?;
            self.forget_last();
            match unlinkat(&*folder, name, UnlinkatFlags::RemoveDir) {
                Ok(()) => {
                    self.changed(&folder);
                    Ok(true)
                }
                Err(Errno::ENOENT) => Ok(true),
                Err(Errno::ENOTEMPTY | Errno::EEXIST) => Ok(false),
                Err(e) => Err(e.into()),
            }
        };
        inner().with_context(|| format!("removing the folder {}", self.show(relative).display()))
    }

    /// Removes a file or link; it may be gone already.
    ///
    /// # Errors
    /// When it can't be removed.
    pub fn remove_file(&self, relative: &Path) -> Result<()> {
        let inner = || -> Result<()> {
            let (Folder::Open(folder), name) = self.parent(relative)? else {
                return Ok(());
            };
            self.make_room()?;
            match unlinkat(&*folder, name, UnlinkatFlags::NoRemoveDir) {
                Ok(()) => self.changed(&folder),
                Err(Errno::ENOENT) => {}
                Err(e) => return Err(e.into()),
            }
            Ok(())
        };
        inner().with_context(|| format!("removing {}", self.show(relative).display()))
    }

    /// Places a symbolic link to `to`, replacing what stands there in one step.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn write_link(&self, relative: &Path, to: &str) -> Result<()> {
        if let Some(label) = self.labels.borrow().targets.get(relative) {
            selinux::label_target(to, label);
        }
        self.replace(relative, |folder, temporary| {
            symlinkat(to, &**folder, temporary)?;
            Ok(())
        })
        .with_context(|| {
            format!(
                "creating the symbolic link {}",
                self.show(relative).display()
            )
        })
    }

    /// Places a regular file, replacing what stands there in one step; its content is on disk before it is visible.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write_file(&self, relative: &Path, new: &NewFile<'_>) -> Result<()> {
        self.replace(relative, |folder, temporary| {
            let mut file = create(folder, temporary)?;
            fill(&mut file, new.content)?;
            std::os::unix::fs::fchown(&file, Some(new.uid), Some(new.gid))?;
            // After the owner, since chown clears setuid and setgid.
            stat::fchmod(&file, kernel::mode(new.mode))?;
            file.sync_all()?;
            Ok(())
        })
        .with_context(|| format!("writing {}", self.show(relative).display()))
    }

    /// Replaces the content of a regular file in one step; mode, owner and extended attributes stay.
    ///
    /// # Errors
    /// When it is not a regular file, or can't be written.
    pub fn rewrite_file(&self, relative: &Path, content: &[u8]) -> Result<()> {
        let inner = || -> Result<()> {
            let (source, name) = self.open_parent(relative)?;
            let before = open_regular(&source, name)?;
            self.replace(relative, |folder, temporary| {
                let mut file = create(folder, temporary)?;
                file.write_all(content)?;
                copy_access(&before, &file)?;
                file.sync_all()?;
                Ok(())
            })
        };
        inner().with_context(|| format!("writing {}", self.show(relative).display()))
    }

    /// Copies a file or link with content, mode, owner, extended attributes and times over `to`, in one step.
    ///
    /// # Errors
    /// When `from` is neither a regular file nor a link, or the copy can't be made.
    pub fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        let inner = || -> Result<()> {
            let (source, name) = self.open_parent(from)?;
            let st = lstat(&source, name)?.ok_or_else(|| anyhow!("it does not exist"))?;
            self.replace(to, |folder, temporary| match kind(&st) {
                SFlag::S_IFLNK => {
                    let target = readlinkat(&*source, name)?;
                    symlinkat(target.as_os_str(), &**folder, temporary)?;
                    fchownat(
                        &**folder,
                        temporary,
                        Some(Uid::from_raw(st.st_uid)),
                        Some(Gid::from_raw(st.st_gid)),
                        AtFlags::AT_SYMLINK_NOFOLLOW,
                    )?;
                    copy_xattrs(&source, name, folder, temporary)?;
                    set_times(folder, temporary, &st)
                }
                SFlag::S_IFREG => {
                    let mut input = open_regular(&source, name)?;
                    let mut file = create(folder, temporary)?;
                    io::copy(&mut input, &mut file)?;
                    let st = copy_access(&input, &file)?;
                    set_times(folder, temporary, &st)?;
                    file.sync_all()?;
                    Ok(())
                }
                _ => bail!("it is neither a regular file nor a symbolic link"),
            })
        };
        inner().with_context(|| {
            format!(
                "copying {} to {}",
                self.show(from).display(),
                self.show(to).display()
            )
        })
    }

    /// Finds what an interrupted replacement of `relative` has left beside it.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn find_leftover(&self, relative: &Path) -> Result<Option<String>> {
        let (Folder::Open(folder), name) = self.parent(relative)? else {
            return Ok(None);
        };
        let temporary = temporary_name(name);
        let st = lstat(&folder, OsStr::new(&temporary))
            .with_context(|| format!("reading beside {}", self.show(relative).display()))?;
        Ok(st.map(|_| temporary))
    }

    /// Removes what was prepared under this name: a file, a link, or an empty folder. It may be gone already.
    ///
    /// # Errors
    /// When it can't be removed.
    pub fn remove_unfinished(&self, relative: &Path) -> Result<()> {
        let inner = || -> Result<()> {
            if let (Folder::Open(folder), name) = self.parent(relative)? {
                self.make_room()?;
                remove_at(&folder, &name.to_string_lossy())?;
                self.changed(&folder);
            }
            Ok(())
        };
        inner().with_context(|| format!("removing {}", self.show(relative).display()))
    }

    /// Removes what an interrupted replacement of `relative` may have left.
    ///
    /// # Errors
    /// When it is there and can't be removed.
    pub fn remove_leftover(&self, relative: &Path) -> Result<()> {
        if let (Folder::Open(folder), name) = self.parent(relative)? {
            remove_at(&folder, &temporary_name(name)).with_context(|| {
                format!(
                    "removing a leftover beside {}",
                    self.show(relative).display()
                )
            })?;
        }
        Ok(())
    }

    /// Brings every change of names that was made through this handle to the disk.
    ///
    /// # Errors
    /// When a folder can't be flushed.
    pub fn sync(&self) -> Result<()> {
        let mut unsynced = self.unsynced.borrow_mut();
        while let Some(entry) = unsynced.first_entry() {
            let folder = entry.get();
            nix::unistd::fsync(&**folder).with_context(|| {
                let handle = format!("/proc/self/fd/{}", folder.as_raw_fd());
                let path = readlinkat(AT_FDCWD, handle.as_str()).unwrap_or_else(|_| handle.into());
                format!("flushing the folder {} to disk", path.display())
            })?;
            entry.remove();
        }
        Ok(())
    }

    /// Runs what creates `relative`, under the label that it is to have.
    fn labelled<T>(&self, relative: &Path, make: impl FnOnce() -> Result<T>) -> Result<T> {
        match self.labels.borrow().own.get(relative) {
            Some(label) => selinux::creating(label, make),
            None => make(),
        }
    }

    /// Flushes the folders that wait for it, when they are many. Before a change is made: once it is, nothing may fail that
    /// would have it told as not made.
    fn make_room(&self) -> Result<()> {
        let waiting = self.unsynced.borrow().len();
        if waiting < MOST_UNSYNCED {
            return Ok(());
        }
        self.sync()
    }

    /// Notes that the entries of a folder changed.
    fn changed(&self, folder: &Rc<OwnedFd>) {
        let which = match stat::fstat(&**folder) {
            Ok(st) => (kernel::device_of(&st), st.st_ino),
            // Flushed once more than needed, perhaps; no device has this number.
            Err(_) => (u64::MAX, u64::from(folder.as_raw_fd().unsigned_abs())),
        };
        let mut unsynced = self.unsynced.borrow_mut();
        unsynced.insert(which, folder.clone());
    }

    fn replace(
        &self,
        relative: &Path,
        make: impl FnOnce(&Rc<OwnedFd>, &str) -> Result<()>,
    ) -> Result<()> {
        self.make_room()?;
        let (folder, name) = self.open_parent(relative)?;
        let temporary = temporary_name(name);
        remove_at(&folder, &temporary)?;
        let placed = self
            .labelled(relative, || make(&folder, &temporary))
            .and_then(|()| Ok(renameat(&*folder, temporary.as_str(), &*folder, name)?));
        if let Err(e) = placed {
            // The first error is the one to report; the leftover is removed by the next run at the latest.
            let _ = remove_at(&folder, &temporary);
            return Err(e);
        }
        self.changed(&folder);
        Ok(())
    }
}

/// How the names begin under which replacements are prepared.
const TEMPORARY: &str = ".system-manager-";

/// The name under which a replacement of `name` is prepared; the same each time, so that the next run finds a leftover.
pub(super) fn temporary_name(name: &OsStr) -> String {
    let digest = hex(&Sha256::digest(name.as_bytes()));
    format!("{TEMPORARY}{}", &digest[..16])
}

/// Puts a folder into its place where nothing is.
pub(super) fn place_folder(folder: &OwnedFd, temporary: &str, name: &OsStr) -> Result<(), Errno> {
    match kernel::rename_apart(folder, temporary, name) {
        // Not every file system can do that; a folder that replaces another one only does so when that is empty.
        Err(Errno::EINVAL | Errno::ENOSYS) => {
            match stat::fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(_) => Err(Errno::EEXIST),
                Err(Errno::ENOENT) => renameat(folder, temporary, folder, name),
                Err(e) => Err(e),
            }
        }
        other => other,
    }
}

/// Removes what an interrupted run has left: a file, a link, or an empty folder.
pub(super) fn remove_at(folder: &OwnedFd, name: &str) -> Result<(), Errno> {
    match unlinkat(folder, name, UnlinkatFlags::NoRemoveDir) {
        Err(Errno::EISDIR) => unlinkat(folder, name, UnlinkatFlags::RemoveDir),
        Err(Errno::ENOENT) => Ok(()),
        other => other,
    }
}

fn create(folder: &Rc<OwnedFd>, name: &str) -> Result<File> {
    let flags =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(File::from(openat(
        &**folder,
        name,
        flags,
        Mode::from_bits_truncate(0o600),
    )?))
}

/// A path for calls that take no folder handle; the last component is not followed by those used here.
fn proc_path(folder: &Rc<OwnedFd>, name: &OsStr) -> PathBuf {
    Path::new("/proc/self/fd")
        .join(folder.as_raw_fd().to_string())
        .join(name)
}

fn open_regular(folder: &Rc<OwnedFd>, name: &OsStr) -> Result<File> {
    let file = File::from(openat(&**folder, name, READ_FLAGS, Mode::empty())?);
    if kind(&stat::fstat(&file)?) != SFlag::S_IFREG {
        bail!("it is not a regular file");
    }
    Ok(file)
}

/// Gives a file the owner, the mode and the extended attributes of another, and returns what else that has: of the one that
/// is open, whatever stands in its place by now.
fn copy_access(from: &File, to: &File) -> Result<FileStat> {
    let st = stat::fstat(from)?;
    std::os::unix::fs::fchown(to, Some(st.st_uid), Some(st.st_gid))?;
    // After the owner, since chown clears setuid and setgid.
    stat::fchmod(to, Mode::from_bits_truncate(st.st_mode & 0o7777))?;
    let names = match from.list_xattr() {
        Ok(names) => names,
        Err(e) if e.raw_os_error() == Some(Errno::EOPNOTSUPP as i32) => return Ok(st),
        Err(e) => return Err(e).context("listing its extended attributes"),
    };
    for attribute in names {
        if let Some(value) = from.get_xattr(&attribute)? {
            to.set_xattr(&attribute, &value).with_context(|| {
                format!("setting its extended attribute {}", attribute.display())
            })?;
        }
    }
    Ok(st)
}

/// Copies the extended attributes of a link, which can't be opened.
fn copy_xattrs(from: &Rc<OwnedFd>, name: &OsStr, to: &Rc<OwnedFd>, to_name: &str) -> Result<()> {
    let source = proc_path(from, name);
    let target = proc_path(to, OsStr::new(to_name));
    let names = match xattr::list(&source) {
        Ok(names) => names,
        Err(e) if e.raw_os_error() == Some(Errno::EOPNOTSUPP as i32) => return Ok(()),
        Err(e) => return Err(e).context("listing its extended attributes"),
    };
    for attribute in names {
        let value = xattr::get(&source, &attribute)?;
        let Some(value) = value else { continue };
        xattr::set(&target, &attribute, &value)
            .with_context(|| format!("setting its extended attribute {}", attribute.display()))?;
    }
    Ok(())
}

fn set_times(folder: &Rc<OwnedFd>, name: &str, st: &FileStat) -> Result<()> {
    stat::utimensat(
        &**folder,
        name,
        &TimeSpec::new(st.st_atime, st.st_atime_nsec),
        &TimeSpec::new(st.st_mtime, st.st_mtime_nsec),
        stat::UtimensatFlags::NoFollowSymlink,
    )?;
    Ok(())
}
