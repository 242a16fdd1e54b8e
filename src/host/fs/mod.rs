//! The only room that touches the managed file system: a handle on a root directory, and what may be done below it.
//!
//! Paths are relative to the root, and no symbolic link in them is followed, so that none can lead a read or a write out
//! of the tree. Replacing is by rename, with mode, owner and extended attributes set before the file becomes visible.

use crate::model::node::{Node, sha256_of};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, Result, anyhow, bail};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::{self, FileStat, Mode, SFlag};

use crate::host::kernel;
use crate::host::selinux::Labels;
use crate::model::node::{EMPTY, Id, Kind, Object};
use crate::model::text::Text;

pub(crate) mod at;
mod content;
mod obstacle;
mod resolve;
pub(crate) mod writable;
mod write;

use at::kind;

pub(crate) use content::{Content, open_source, read_source, type_of};
pub(crate) use obstacle::Room;
pub(crate) use write::NewFile;

/// The longest text that a link can have, in bytes.
const LONGEST_LINK: usize = 4096;

/// A handle on the root of a host: `/`, or another folder with `--root`.
pub struct Root {
    fd: Rc<OwnedFd>,
    path: PathBuf,
    live: bool,
    /// The folder that was opened last; lookups come sorted, so it is nearly always the right one.
    last: RefCell<Option<(PathBuf, Rc<OwnedFd>)>>,
    /// Folders whose entries changed since the last `sync`, by device and inode.
    unsynced: RefCell<BTreeMap<(u64, u64), Rc<OwnedFd>>>,
    /// What the security policy says of the paths that this run makes.
    labels: RefCell<Labels>,
}

enum Folder {
    Open(Rc<OwnedFd>),
    Missing,
    Blocked(PathBuf),
}

impl Root {
    /// Opens the root at `path`; `live` says whether its systemd is the running one.
    ///
    /// # Errors
    /// When it is no folder that can be opened.
    pub fn open(path: &Path, live: bool) -> Result<Self> {
        let fd = openat(AT_FDCWD, path, FOLDER_FLAGS, Mode::empty())
            .with_context(|| format!("opening the root {}", path.display()))?;
        Ok(Self {
            fd: Rc::new(fd),
            path: path.to_owned(),
            live,
            last: RefCell::new(None),
            unsynced: RefCell::default(),
            labels: RefCell::default(),
        })
    }

    /// Sets the labels with which files, links and folders are made from now on.
    pub fn set_labels(&self, labels: Labels) {
        *self.labels.borrow_mut() = labels;
    }

    /// Says whether the system below this root is the one that runs.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// Gives `relative` as a path that a person can use.
    #[must_use]
    pub fn show(&self, relative: &Path) -> PathBuf {
        self.path.join(relative)
    }

    /// Reads what stands at `relative`, hashing the content of a regular file.
    ///
    /// # Errors
    /// When it can't be read; that is never taken for absence.
    pub fn node(&self, relative: &Path) -> Result<Node> {
        self.node_inner(relative)
            .with_context(|| format!("reading {}", self.show(relative).display()))
    }

    fn node_inner(&self, relative: &Path) -> Result<Node> {
        let (folder, name) = match self.parent(relative)? {
            (Folder::Open(fd), name) => (fd, name),
            (Folder::Missing, _) => return Ok(Node::Absent),
            (Folder::Blocked(at), _) => return Ok(Node::Blocked { at }),
        };
        // Nearly all that is managed are links, which one call reads and tells from the rest.
        match read_link(&folder, name) {
            Err(Errno::ENOENT) => return Ok(Node::Absent),
            Err(Errno::EINVAL) => {}
            to => return Ok(Node::Link { to: to? }),
        }
        let Some(st) = lstat(&folder, name)? else {
            return Ok(Node::Absent);
        };
        Ok(match kind(&st) {
            SFlag::S_IFLNK => Node::Link {
                to: read_link(&folder, name)?,
            },
            SFlag::S_IFDIR => Node::Folder,
            SFlag::S_IFREG => {
                let file = openat(&*folder, name, READ_FLAGS, Mode::empty())?;
                // Of the file that is read, which may be another one by now.
                let st = stat::fstat(&file)?;
                if kind(&st) != SFlag::S_IFREG {
                    bail!("it was replaced while being read");
                }
                Node::File {
                    sha256: sha256_of(whole(File::from(file), st.st_size))?,
                    mode: kernel::bits_of(&st),
                    uid: st.st_uid,
                    gid: st.st_gid,
                }
            }
            _ => Node::Special,
        })
    }

    /// Reads what stands at `relative` as rules of tmpfiles.d see it, without the content of files that hold any.
    ///
    /// # Errors
    /// When it can't be read; that is never taken for absence.
    pub fn object_at(&self, relative: &Path) -> Result<Option<Object>> {
        let inner = || -> Result<Option<Object>> {
            if relative.as_os_str().is_empty() {
                return Ok(Some(object_of(&stat::fstat(&*self.fd)?, Kind::Folder)));
            }
            let (Folder::Open(folder), name) = self.parent(relative)? else {
                return Ok(None);
            };
            let Some(st) = lstat(&folder, name)? else {
                return Ok(None);
            };
            let device = |block| {
                let (major, minor) = kernel::numbers_of(&st);
                let number = |n| u32::try_from(n).unwrap_or(u32::MAX);
                let (major, minor) = (number(major), number(minor));
                Kind::Device {
                    block,
                    major,
                    minor,
                }
            };
            let kind = match kind(&st) {
                SFlag::S_IFDIR => Kind::Folder,
                SFlag::S_IFLNK => Kind::Link {
                    to: read_link(&folder, name)?.to_string(),
                },
                SFlag::S_IFIFO => Kind::Pipe,
                SFlag::S_IFSOCK => Kind::Socket,
                SFlag::S_IFCHR => device(false),
                SFlag::S_IFBLK => device(true),
                _ => Kind::File {
                    content: (st.st_size == 0).then(|| EMPTY.to_owned()),
                },
            };
            Ok(Some(object_of(&st, kind)))
        };
        inner().with_context(|| format!("reading {}", self.show(relative).display()))
    }

    /// Reads a regular file; none when it does not exist.
    ///
    /// # Errors
    /// When it exists and can't be read, or is not a regular file.
    pub fn read(&self, relative: &Path) -> Result<Option<Vec<u8>>> {
        let inner = || -> Result<Option<Vec<u8>>> {
            let (Folder::Open(folder), name) = self.parent(relative)? else {
                return Ok(None);
            };
            let file = match openat(&*folder, name, READ_FLAGS, Mode::empty()) {
                Err(Errno::ENOENT) => return Ok(None),
                other => File::from(other?),
            };
            read_regular(&file).map(Some)
        };
        inner().with_context(|| format!("reading {}", self.show(relative).display()))
    }

    /// Lists the names in a folder, sorted; empty when there is no such folder.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn list(&self, relative: &Path) -> Result<Vec<String>> {
        self.list_those(relative, |_| true)
    }

    /// Lists those names in a folder that are asked for, sorted; empty when there is no such folder.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn list_those(
        &self,
        relative: &Path,
        is_asked: impl Fn(&str) -> bool,
    ) -> Result<Vec<String>> {
        let inner = || -> Result<Vec<String>> {
            let Folder::Open(fd) = self.folder(relative)? else {
                return Ok(Vec::new());
            };
            // A second handle, since listing moves the position of the first.
            let own = openat(&*fd, ".", FOLDER_FLAGS, Mode::empty())?;
            at::list(own, is_asked)
        };
        inner().with_context(|| format!("listing {}", self.show(relative).display()))
    }

    /// Reads a regular file as a process of that root would: links are followed, and never out of it. None when there is
    /// none.
    ///
    /// # Errors
    /// When it exists and can't be read, or is not a regular file.
    pub fn read_in_root(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        at::read_in_root(&self.fd, path)
            .with_context(|| format!("reading {}", self.show_absolute(path).display()))
    }

    /// Lists the names in the folder to which `path` leads for a process of that root, sorted; none where there is none.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn list_in_root(&self, path: &Path) -> Result<Option<Vec<String>>> {
        at::list_in_root(&self.fd, path)
            .with_context(|| format!("listing {}", self.show_absolute(path).display()))
    }

    /// Returns what `path` leads to for a process of that root; none for nothing.
    ///
    /// # Errors
    /// When it can't be looked at.
    pub fn stat_in_root(&self, path: &Path) -> Result<Option<FileStat>> {
        at::stat_in_root(&self.fd, path)
            .with_context(|| format!("looking at {}", self.show_absolute(path).display()))
    }

    fn show_absolute(&self, path: &Path) -> PathBuf {
        self.show(path.strip_prefix("/").unwrap_or(path))
    }

    /// Gives when a link was last changed, in seconds since 1970.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn link_time(&self, relative: &Path) -> Result<u64> {
        let inner = || -> Result<u64> {
            let (folder, name) = self.open_parent(relative)?;
            let st = lstat(&folder, name)?.ok_or_else(|| anyhow!("it does not exist"))?;
            Ok(u64::try_from(st.st_mtime).unwrap_or_default())
        };
        inner().with_context(|| format!("reading the time of {}", self.show(relative).display()))
    }

    /// Gives the size of a file in bytes; 0 when there is none.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn size(&self, relative: &Path) -> Result<u64> {
        let (Folder::Open(folder), name) = self.parent(relative)? else {
            return Ok(0);
        };
        let st = lstat(&folder, name)
            .with_context(|| format!("reading {}", self.show(relative).display()))?;
        Ok(st.map_or(0, |st| u64::try_from(st.st_size).unwrap_or_default()))
    }

    /// Opens (or creates, mode 0600) a file for appending or locking.
    ///
    /// # Errors
    /// When it can't be opened, or is a link.
    pub fn open_file(&self, relative: &Path, flags: OFlag) -> Result<File> {
        let inner = || -> Result<File> {
            let (folder, name) = self.open_parent(relative)?;
            let flags = flags | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
            Ok(File::from(openat(
                &*folder,
                name,
                flags,
                Mode::from_bits_truncate(0o600),
            )?))
        };
        inner().with_context(|| format!("opening {}", self.show(relative).display()))
    }

    fn open_parent<'p>(&self, relative: &'p Path) -> Result<(Rc<OwnedFd>, &'p OsStr)> {
        match self.parent(relative)? {
            (Folder::Open(fd), name) => Ok((fd, name)),
            (Folder::Missing, _) => bail!("the folder that it belongs in does not exist"),
            (Folder::Blocked(at), _) => {
                bail!(
                    "{} is not a folder (a symbolic link is not followed)",
                    self.show(&at).display()
                )
            }
        }
    }

    fn parent<'p>(&self, relative: &'p Path) -> Result<(Folder, &'p OsStr)> {
        let name = relative
            .file_name()
            .ok_or_else(|| anyhow!("{} names no file", relative.display()))?;
        Ok((
            self.folder(relative.parent().unwrap_or(Path::new("")))?,
            name,
        ))
    }

    fn folder(&self, relative: &Path) -> Result<Folder> {
        if relative.as_os_str().is_empty() {
            return Ok(Folder::Open(self.fd.clone()));
        }
        if let Some((path, fd)) = &*self.last.borrow()
            // As texts: paths are compared by their components.
            && path.as_os_str() == relative.as_os_str()
        {
            return Ok(Folder::Open(fd.clone()));
        }
        let opened = match resolve::beneath(&self.fd, relative) {
            // Which of them is none. By now all may be, and what can't be looked at is an error, and not what blocks it.
            Err(Errno::ENOTDIR) => resolve::walk_beneath(&self.fd, relative),
            other => other.map_err(|e| (e, PathBuf::new())),
        };
        let fd = match opened {
            Ok(fd) => Rc::new(fd),
            Err((Errno::ENOENT, _)) => return Ok(Folder::Missing),
            Err((Errno::ENOTDIR, at)) => return Ok(Folder::Blocked(at)),
            Err((e, _)) => {
                return Err(e)
                    .with_context(|| format!("opening {}", self.show(relative).display()));
            }
        };
        *self.last.borrow_mut() = Some((relative.to_owned(), fd.clone()));
        Ok(Folder::Open(fd))
    }

    /// Forgets which folder was opened last: another program may have replaced it.
    pub fn forget_last(&self) {
        *self.last.borrow_mut() = None;
    }
}

const FOLDER_FLAGS: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

const READ_FLAGS: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC)
    .union(OFlag::O_NONBLOCK);

/// Returns what a regular file of this size has, whose end is known by the size and needs no call to be found.
fn whole(file: File, size: i64) -> io::Take<File> {
    // One of the kernel's that has none is read to its end.
    let size = u64::try_from(size).unwrap_or_default();
    file.take(if size == 0 { u64::MAX } else { size })
}

/// Reads a link's text. Links are most of what is managed, so this makes one text, and no other room for it.
fn read_link(folder: &OwnedFd, name: &OsStr) -> Result<Text, Errno> {
    let mut room = [MaybeUninit::uninit(); LONGEST_LINK];
    match rustix::fs::readlinkat_raw(folder, name, &mut room[..]) {
        Ok((text, _)) => Ok(String::from_utf8_lossy(text).as_ref().into()),
        Err(e) => Err(Errno::from_raw(e.raw_os_error())),
    }
}

fn read_regular(mut file: &File) -> Result<Vec<u8>> {
    if !file.metadata()?.is_file() {
        bail!("it is not a regular file");
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn object_of(st: &FileStat, kind: Kind) -> Object {
    Object {
        kind,
        mode: kernel::bits_of(st),
        user: Id::Number(st.st_uid),
        group: Id::Number(st.st_gid),
    }
}

fn lstat(folder: &Rc<OwnedFd>, name: &OsStr) -> Result<Option<FileStat>> {
    match stat::fstatat(&**folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(st) => Ok(Some(st)),
        Err(Errno::ENOENT) => Ok(None),
        Err(e) => Err(e.into()),
    }
}
