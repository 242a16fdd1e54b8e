//! Reading and replacing files relative to a folder's handle, never through a symbolic link.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::Path;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, readlinkat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, fsync, linkat, unlinkat};
use xattr::FileExt;

use super::super::kernel;
use super::write::{place_folder, remove_at, temporary_name};
use super::{FOLDER_FLAGS as FOLDER, READ_FLAGS, read_regular, resolve};

/// How many symbolic links a path may go through, as in the kernel.
const MOST_LINKS: usize = 40;

/// Mode and owner of a file that did not exist.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewMode {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Opens the root folder itself, which may be reached through links.
pub(crate) fn open_root(root: &Path) -> Result<OwnedFd> {
    let flags = FOLDER.difference(OFlag::O_NOFOLLOW);
    openat(AT_FDCWD, root, flags, Mode::empty())
        .with_context(|| format!("opening {}", root.display()))
}

/// Reads a regular file as a process of that root would: links are followed, and never out of it. None when there is none.
pub(crate) fn read_in_root(root: &OwnedFd, path: &Path) -> Result<Option<Vec<u8>>> {
    let flags = READ_FLAGS.difference(OFlag::O_NOFOLLOW);
    match resolve::in_root(root, path, flags) {
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        other => read_regular(&File::from(other?)).map(Some),
    }
}

/// Lists the names in the folder to which `path` leads for a process of that root, sorted; none where there is none.
pub(crate) fn list_in_root(root: &OwnedFd, path: &Path) -> Result<Option<Vec<String>>> {
    let flags = FOLDER.difference(OFlag::O_NOFOLLOW);
    match resolve::in_root(root, path, flags) {
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        other => list(other?, |_| true).map(Some),
    }
}

/// Lists those names in a folder that are asked for, sorted.
pub(super) fn list(folder: OwnedFd, is_asked: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in nix::dir::Dir::from_fd(folder)?.iter() {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy();
        if name != "." && name != ".." && is_asked(&name) {
            names.push(name.into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Returns what `path` leads to for a process of that root; none for nothing.
pub(crate) fn stat_in_root(root: &OwnedFd, path: &Path) -> Result<Option<FileStat>> {
    match resolve::in_root(root, path, kernel::LOOK_AT | OFlag::O_CLOEXEC) {
        Ok(fd) => Ok(Some(fstat(&fd)?)),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Opens a folder; none when there is none.
pub(crate) fn open_folder(parent: impl AsFd, name: &str) -> Result<Option<OwnedFd>> {
    match openat(parent, name, FOLDER, Mode::empty()) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::ENOENT) => Ok(None),
        Err(Errno::ELOOP | Errno::ENOTDIR) => {
            bail!("{name} is not a folder (a symbolic link is not followed)")
        }
        Err(e) => Err(e.into()),
    }
}

/// Opens a folder, making it and those above it with mode 0755 where they are missing.
pub(crate) fn make_folders(root: &OwnedFd, path: &str) -> Result<OwnedFd> {
    let mut at = openat(root, ".", FOLDER, Mode::empty())?;
    for part in path.split('/').filter(|p| !p.is_empty()) {
        if stat_at(&at, part)?.is_none() {
            let new = NewMode {
                mode: 0o755,
                uid: 0,
                gid: 0,
            };
            make_folder(&at, part, new)?;
        }
        let next = open_folder(&at, part)?.context("the folder vanished")?;
        at = next;
    }
    Ok(at)
}

/// Makes a folder with this mode and owner, which it has as soon as it has its name.
pub(crate) fn make_folder(parent: &OwnedFd, name: &str, new: NewMode) -> Result<()> {
    let temporary = temporary_name(OsStr::new(name));
    remove_at(parent, &temporary)?;
    mkdirat(parent, temporary.as_str(), Mode::from_bits_truncate(0o700))?;
    set_folder(parent, &temporary, new)?;
    place_folder(parent, &temporary, OsStr::new(name))?;
    fsync(parent)?;
    Ok(())
}

/// Removes what making `name` has left beside it when it was interrupted.
pub(crate) fn remove_unmade(parent: &OwnedFd, name: &str) -> Result<()> {
    let temporary = temporary_name(OsStr::new(name));
    if stat_at(parent, &temporary)?.is_some() {
        remove_at(parent, &temporary)?;
    }
    Ok(())
}

/// Makes a file in one step: what `give` gives it is there as soon as it has its name. EEXIST when something has that.
pub(crate) fn make_file(
    parent: &OwnedFd,
    name: &str,
    mode: u32,
    give: impl Fn(&mut File) -> std::io::Result<()>,
) -> Result<(), Errno> {
    let whole = |fd: OwnedFd| -> Result<File, Errno> {
        let mut file = File::from(fd);
        fchmod(&file, kernel::mode(mode))?;
        give(&mut file).map_err(|e| e.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
        Ok(file)
    };
    let (private, flags) = (
        Mode::S_IRUSR | Mode::S_IWUSR,
        OFlag::O_WRONLY | OFlag::O_CLOEXEC,
    );
    match kernel::open_nameless(parent, flags, private) {
        Ok(fd) => {
            let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
            // The file lives as long as the handle.
            let _file = whole(fd)?;
            linkat(
                AT_FDCWD,
                path.as_str(),
                parent,
                name,
                AtFlags::AT_SYMLINK_FOLLOW,
            )
        }
        // This file system has no files without a name.
        Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL) => {
            let temporary = temporary_name(OsStr::new(name));
            remove_at(parent, &temporary)?;
            let flags = flags | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
            whole(openat(parent, temporary.as_str(), flags, private)?)?;
            let linked = linkat(parent, temporary.as_str(), parent, name, AtFlags::empty());
            remove_at(parent, &temporary)?;
            linked
        }
        Err(e) => Err(e),
    }
}

/// Sets mode and owner of a folder.
pub(crate) fn set_folder(parent: &OwnedFd, name: &str, new: NewMode) -> Result<()> {
    let folder = open_folder(parent, name)?.context("it does not exist")?;
    let there = File::from(folder);
    let now = there.metadata()?;
    if (now.uid(), now.gid()) != (new.uid, new.gid) {
        fchown(&there, Some(new.uid), Some(new.gid))?;
    }
    fchmod(&there, kernel::mode(new.mode))?;
    there.sync_all()?;
    Ok(())
}

/// Says what stands at a name, without following a link; none for nothing.
pub(crate) fn stat_at(parent: &OwnedFd, name: &str) -> Result<Option<FileStat>> {
    match fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Returns the kind of a file.
pub(crate) fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

/// Reads a regular file; none when there is none.
pub(crate) fn read_at(parent: &OwnedFd, name: &str) -> Result<Option<Vec<u8>>> {
    let file = match openat(parent, name, READ_FLAGS, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(Errno::ENOENT) => return Ok(None),
        Err(Errno::ELOOP) => bail!("it is a symbolic link, which is not followed"),
        Err(e) => return Err(e.into()),
    };
    read_regular(&file).map(Some)
}

/// Replaces a file by rename, on disk before it is visible; mode, owner and extended attributes are those of
/// `like`, or of `new` when there is no such file.
///
/// The temporary file is `NAME+`, as shadow-utils calls it: a leftover is one that its tools clean up too, and a
/// security policy labels it as the file itself.
pub(crate) fn replace(
    parent: &OwnedFd,
    name: &str,
    bytes: &[u8],
    like: Option<&str>,
    new: NewMode,
) -> Result<()> {
    let temporary = format!("{name}+");
    let inner = || -> Result<()> {
        remove(parent, &temporary)?;
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let private = Mode::from_bits_truncate(0o600);
        let mut file = File::from(openat(parent, temporary.as_str(), flags, private)?);
        file.write_all(bytes)?;
        match like.map(|like| openat(parent, like, READ_FLAGS, Mode::empty())) {
            Some(Ok(fd)) => copy_attributes(&File::from(fd), &file)?,
            None | Some(Err(Errno::ENOENT)) => set_owner(&file, new)?,
            Some(Err(e)) => return Err(e.into()),
        }
        file.sync_all()?;
        renameat(parent, temporary.as_str(), parent, name)?;
        Ok(fsync(parent)?)
    };
    inner().inspect_err(|_| {
        // The first error is the one to report.
        let _ = remove(parent, &temporary);
    })
}

fn copy_attributes(from: &File, to: &File) -> Result<()> {
    let stat = from.metadata()?;
    set_owner(
        to,
        NewMode {
            mode: stat.mode() & 0o7777,
            uid: stat.uid(),
            gid: stat.gid(),
        },
    )?;
    let names = match from.list_xattr() {
        Ok(names) => names,
        Err(e) if e.raw_os_error() == Some(Errno::EOPNOTSUPP as i32) => return Ok(()),
        Err(e) => return Err(e).context("listing extended attributes"),
    };
    for name in names {
        if let Some(value) = from.get_xattr(&name)? {
            // The new file may have got this one already, by a policy or a default ACL.
            if to.get_xattr(&name)?.as_ref() != Some(&value) {
                to.set_xattr(&name, &value).with_context(|| {
                    format!("setting the extended attribute {}", name.display())
                })?;
            }
        }
    }
    Ok(())
}

fn set_owner(file: &File, new: NewMode) -> Result<()> {
    let now = file.metadata()?;
    if (now.uid(), now.gid()) != (new.uid, new.gid) {
        fchown(file, Some(new.uid), Some(new.gid))?;
    }
    // After the owner, since chown clears setuid and setgid.
    fchmod(file, kernel::mode(new.mode))?;
    Ok(())
}

/// Removes a file; it may be gone already.
pub(crate) fn remove(parent: &OwnedFd, name: &str) -> Result<()> {
    match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) => Ok(fsync(parent)?),
        Err(Errno::ENOENT) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Opens the folder that `path` is in, below `root`, and gives its last component. With `make`, missing folders are made.
///
/// Links on the way are followed only if they are root's (`/home` -> `var/home`), and never out of `root`; the last
/// component never is. None when a folder on the way is missing.
pub(crate) fn open_parent(
    root: &OwnedFd,
    path: &str,
    make: bool,
) -> Result<Option<(OwnedFd, String)>> {
    let mut left: Vec<String> = path
        .split('/')
        .rev()
        .filter(|p| !p.is_empty())
        .map(str::to_owned)
        .collect();
    let mut at = openat(root, ".", FOLDER, Mode::empty())?;
    let mut links = 0;
    while let Some(part) = left.pop() {
        if part == "." {
            continue;
        }
        if part == ".." {
            bail!("{path} goes through a link with `..`");
        }
        if left.is_empty() {
            return Ok(Some((at, part)));
        }
        match stat_at(&at, &part)? {
            None if make => make_folder(
                &at,
                &part,
                NewMode {
                    mode: 0o755,
                    uid: 0,
                    gid: 0,
                },
            )?,
            None => return Ok(None),
            Some(stat) if kind(&stat) == SFlag::S_IFLNK => {
                links += 1;
                if stat.st_uid != 0 || links > MOST_LINKS {
                    bail!(
                        "{path} goes through a symbolic link that is not root's, or through too many"
                    );
                }
                let target = readlinkat(&at, part.as_str())?;
                let target = target.to_str().context("a link on the way is not UTF-8")?;
                if target.starts_with('/') {
                    at = openat(root, ".", FOLDER, Mode::empty())?;
                }
                left.extend(
                    target
                        .split('/')
                        .rev()
                        .filter(|p| !p.is_empty())
                        .map(str::to_owned),
                );
                continue;
            }
            Some(_) => {}
        }
        at = open_folder(&at, &part)?.context("a folder vanished")?;
    }
    bail!("{path} names no file")
}
