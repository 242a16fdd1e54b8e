//! How a path below a root is opened: by the kernel in one call where it can (`openat2`, Linux 5.6), else one component
//! at a time, with the same guarantee.
//!
//! Two ways: `beneath` follows no symbolic link at all, and is what everything that writes goes through; `in_root`
//! follows links as a process would whose root this is, so that an absolute one stays below it.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::{self, Mode, SFlag};

use super::{FOLDER_FLAGS, kind};
use crate::host::kernel;

/// How many symbolic links a path may go through, as in the kernel.
const MOST_LINKS: usize = 40;

/// Whether the kernel has refused `openat2` as unknown, or a filter of system calls has.
static IS_MISSING: AtomicBool = AtomicBool::new(false);

/// Opens a folder below `root` without following any symbolic link.
///
/// # Errors
/// `ENOTDIR` where a component is not a folder, a link among others.
pub(super) fn beneath(root: &OwnedFd, path: &Path) -> Result<OwnedFd, Errno> {
    let opened = by_kernel(|| kernel::open_beneath(root, path, FOLDER_FLAGS));
    opened
        .unwrap_or_else(|| walk_beneath(root, path).map_err(|(e, _)| e))
        .map_err(no_folder)
}

/// What is refused as a link, or as leading out, is no folder on the way.
fn no_folder(error: Errno) -> Errno {
    match error {
        Errno::ELOOP | Errno::EXDEV => Errno::ENOTDIR,
        other => other,
    }
}

/// Opens what `path` leads to with `root` as the root folder; absolute links and `..` stay below it.
///
/// # Errors
/// As `open(2)` in that root.
pub(super) fn in_root(root: &OwnedFd, path: &Path, flags: OFlag) -> Result<OwnedFd, Errno> {
    by_kernel(|| kernel::open_in_root(root, path, flags))
        .unwrap_or_else(|| walk_in_root(root, path, flags))
}

/// Asks the kernel; none where it can't be had.
fn by_kernel(open: impl FnOnce() -> Result<OwnedFd, Errno>) -> Option<Result<OwnedFd, Errno>> {
    if IS_MISSING.load(Ordering::Relaxed) {
        return None;
    }
    match open() {
        // Filters of system calls that are older than the call answer with the second.
        Err(Errno::ENOSYS | Errno::EPERM) => {
            IS_MISSING.store(true, Ordering::Relaxed);
            None
        }
        // A folder on the way was renamed meanwhile: nothing is promised about how often that may happen.
        Err(Errno::EAGAIN) => None,
        other => Some(other),
    }
}

/// Opens a folder as [`beneath`] does, one component at a time.
///
/// # Errors
/// With the component that can't be opened, as a path below `root`; the root itself is an empty one.
pub(super) fn walk_beneath(root: &OwnedFd, path: &Path) -> Result<OwnedFd, (Errno, PathBuf)> {
    let mut at = PathBuf::new();
    let mut folder = root.try_clone().map_err(|e| (errno(&e), at.clone()))?;
    for part in path.components() {
        at.push(part);
        folder = match part {
            Component::Normal(name) => openat(&folder, name, FOLDER_FLAGS, Mode::empty()),
            _ => Err(Errno::EXDEV),
        }
        .map_err(|e| (no_folder(e), at.clone()))?;
    }
    Ok(folder)
}

fn walk_in_root(root: &OwnedFd, path: &Path, flags: OFlag) -> Result<OwnedFd, Errno> {
    let mut left: Vec<OsString> = parts(path);
    // The folders from the root to here, for `..`.
    let mut stack: Vec<OwnedFd> = Vec::new();
    let mut links = 0;
    while let Some(part) = left.pop() {
        let at = stack.last().unwrap_or(root).as_fd();
        match part.as_bytes() {
            b"." | b"" => continue,
            b".." => {
                stack.pop();
                continue;
            }
            _ => {}
        }
        let st = stat::fstatat(
            at,
            part.as_os_str(),
            nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW,
        )?;
        if kind(&st) == SFlag::S_IFLNK {
            links += 1;
            if links > MOST_LINKS {
                return Err(Errno::ELOOP);
            }
            let target = readlinkat(at, part.as_os_str())?;
            if target.as_bytes().starts_with(b"/") {
                stack.clear();
            }
            left.extend(parts(Path::new(&target)));
        } else if left.is_empty() {
            return openat(
                at,
                part.as_os_str(),
                flags | OFlag::O_NOFOLLOW,
                Mode::empty(),
            );
        } else {
            let next = openat(at, part.as_os_str(), FOLDER_FLAGS, Mode::empty())?;
            stack.push(next);
        }
    }
    openat(stack.last().unwrap_or(root), ".", flags, Mode::empty())
}

/// The components of a path, the first one last.
fn parts(path: &Path) -> Vec<OsString> {
    let names = path.components().rev().filter(|c| *c != Component::RootDir);
    names.map(|c| c.as_os_str().to_owned()).collect()
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn world() -> (tempfile::TempDir, OwnedFd) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/file"), "inside").unwrap();
        fs::write(folder.path().join("outside"), "outside").unwrap();
        fs::write(root.join("outside"), "inside too").unwrap();
        symlink("b", root.join("a/link")).unwrap();
        symlink("/a/b/file", root.join("a/absolute")).unwrap();
        symlink("../../../../outside", root.join("a/up")).unwrap();
        symlink(folder.path().join("outside"), root.join("a/out")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink("nothing", root.join("dangling")).unwrap();
        let fd = openat(nix::fcntl::AT_FDCWD, &root, FOLDER_FLAGS, Mode::empty()).unwrap();
        (folder, fd)
    }

    #[test]
    fn no_link_is_followed_by_either_way() {
        let (_folder, root) = world();
        let kernel = |path: &Path| beneath(&root, path).map(|_| ());
        let walk = |path: &Path| walk_beneath(&root, path).map(|_| ()).map_err(|(e, _)| e);
        for (path, expected) in [
            ("a/b", Ok(())),
            ("a/none/c", Err(Errno::ENOENT)),
            ("a/link", Err(Errno::ENOTDIR)),
            ("a/link/c", Err(Errno::ENOTDIR)),
            ("a/b/file", Err(Errno::ENOTDIR)),
            ("../root", Err(Errno::ENOTDIR)),
            ("/etc", Err(Errno::ENOTDIR)),
        ] {
            assert_eq!(kernel(Path::new(path)), expected, "kernel: {path}");
            assert_eq!(walk(Path::new(path)), expected, "walk: {path}");
        }
        let blocked = walk_beneath(&root, Path::new("a/link/c/d")).unwrap_err();
        assert_eq!(blocked, (Errno::ENOTDIR, "a/link".into()));
    }

    #[test]
    fn links_stay_below_the_root_by_either_way() {
        let (_folder, root) = world();
        let read = |fd: OwnedFd| std::io::read_to_string(fs::File::from(fd)).unwrap();
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        for (path, expected) in [
            ("a/b/file", Ok("inside")),
            ("/a/b/file", Ok("inside")),
            ("a/link/file", Ok("inside")),
            ("a/link/../../outside", Ok("inside too")),
            ("a/absolute", Ok("inside")),
            ("a/up", Ok("inside too")),
            ("a/out", Err(Errno::ENOENT)),
            ("loop", Err(Errno::ELOOP)),
            ("dangling", Err(Errno::ENOENT)),
            ("a/b/file/x", Err(Errno::ENOTDIR)),
        ] {
            let path = Path::new(path);
            let kernel = in_root(&root, path, flags).map(read);
            assert_eq!(
                kernel.as_deref(),
                expected.as_ref().copied(),
                "kernel: {}",
                path.display()
            );
            let walk = walk_in_root(&root, path, flags).map(read);
            assert_eq!(
                walk.as_deref(),
                expected.as_ref().copied(),
                "walk: {}",
                path.display()
            );
        }
    }
}
