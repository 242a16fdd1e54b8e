//! System calls that only Linux has, and numbers that are of another width elsewhere.
//!
//! On a Mac the program builds, and deploys to other hosts; what is about the machine itself is refused there. So that it
//! compiles, each of these calls is there, too, and answers as a kernel does that is too old for it.

pub(crate) use calls::*;

#[cfg(target_os = "linux")]
mod calls {
    use std::fs::File;
    use std::os::fd::{AsFd, OwnedFd};
    use std::path::{Path, PathBuf};

    use nix::errno::Errno;
    use nix::fcntl::{
        FallocateFlags, FcntlArg, OFlag, OpenHow, RenameFlags, ResolveFlag, fallocate, fcntl,
        openat, openat2, renameat2,
    };
    use nix::libc;
    use nix::mount::{MntFlags, MsFlags, mount, umount2};
    use nix::sched::{CloneFlags, unshare};
    use nix::sys::inotify::{AddWatchFlags, InitFlags};
    use nix::sys::memfd::{MFdFlags, memfd_create};
    use nix::sys::stat::{self, FileStat, Mode};
    use nix::sys::statfs::{FsType, MSDOS_SUPER_MAGIC, fstatfs};
    use nix::sys::statvfs::Statvfs;
    use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
    use nix::unistd::Pid;

    pub(crate) use nix::sys::inotify::Inotify as Watch;
    pub(crate) use nix::sys::prctl::set_child_subreaper as adopt_orphans;

    /// Opens a file for looking at it alone.
    pub(crate) const LOOK_AT: OFlag = OFlag::O_PATH;

    /// Opens a folder below another one, through no symbolic link.
    pub(crate) fn open_beneath(
        root: &OwnedFd,
        path: &Path,
        flags: OFlag,
    ) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS;
        openat2(root, path, OpenHow::new().flags(flags).resolve(resolve))
    }

    /// Opens what a path leads to for a process of that root.
    pub(crate) fn open_in_root(
        root: &OwnedFd,
        path: &Path,
        flags: OFlag,
    ) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        openat2(root, path, OpenHow::new().flags(flags).resolve(resolve))
    }

    /// Opens a new file in a folder that has no name there.
    pub(crate) fn open_nameless(
        folder: impl AsFd,
        flags: OFlag,
        mode: Mode,
    ) -> Result<OwnedFd, Errno> {
        openat(folder, ".", flags | OFlag::O_TMPFILE, mode)
    }

    /// Has the file system set aside bytes for a file.
    pub(crate) fn set_aside(file: impl AsFd, bytes: i64) -> Result<(), Errno> {
        fallocate(file, FallocateFlags::empty(), 0, bytes)
    }

    /// Renames within a folder, where nothing has the new name.
    pub(crate) fn rename_apart<P: nix::NixPath + ?Sized>(
        folder: &OwnedFd,
        from: &str,
        to: &P,
    ) -> Result<(), Errno> {
        renameat2(folder, from, folder, to, RenameFlags::RENAME_NOREPLACE)
    }

    /// Whether a folder is on a file system without links, owners and modes: vfat, exfat, the two of NTFS.
    pub(crate) fn is_plain(folder: impl AsFd) -> Result<bool, Errno> {
        const PLAIN: [FsType; 4] = [
            MSDOS_SUPER_MAGIC,
            FsType(0x2011_bab0),
            FsType(0x5346_544e),
            FsType(0x7366_746e),
        ];
        Ok(PLAIN.contains(&fstatfs(folder)?.filesystem_type()))
    }

    /// Flushes the whole file system of a file.
    pub(crate) fn sync_file_system(file: File) -> Result<(), Errno> {
        nix::unistd::syncfs(file)
    }

    /// Gives this process its own view of what is mounted, with `folder` writable in it. `EINVAL` when it is no mount point.
    pub(crate) fn remount_writable(folder: &Path) -> Result<(), Errno> {
        unshare(CloneFlags::CLONE_NEWNS)?;
        let none: Option<&str> = None;
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
        mount(none, folder, none, flags, none)
    }

    /// Mounts an overlay on a folder.
    pub(crate) fn mount_overlay(folder: &Path, options: &str) -> Result<(), Errno> {
        let kind = Some("overlay");
        mount(kind, folder, kind, MsFlags::empty(), Some(options))
    }

    /// Takes what is mounted on a folder off, whoever has something open there.
    pub(crate) fn unmount(folder: &Path) -> Result<(), Errno> {
        umount2(folder, MntFlags::MNT_DETACH)
    }

    /// Makes a file that is in memory only.
    pub(crate) fn file_in_memory() -> Result<OwnedFd, Errno> {
        memfd_create(c"log", MFdFlags::MFD_CLOEXEC)
    }

    /// Watches folders for changes.
    pub(crate) fn watch(folders: &[PathBuf]) -> Result<Watch, Errno> {
        let watch = Watch::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        for folder in folders {
            let events = AddWatchFlags::IN_MODIFY
                | AddWatchFlags::IN_CREATE
                | AddWatchFlags::IN_DELETE
                | AddWatchFlags::IN_MOVED_TO
                | AddWatchFlags::IN_CLOSE_WRITE;
            watch.add_watch(folder, events)?;
        }
        Ok(watch)
    }

    /// Takes what was seen of a watch, so that it waits for what comes. `EAGAIN` when there was nothing.
    pub(crate) fn forget_changes(watch: &Watch) -> Result<(), Errno> {
        watch.read_events().map(drop)
    }

    /// Waits until a child has ended, and leaves its end to be taken: its number stays its own. Says whether a signal
    /// ended it.
    pub(crate) fn await_end(child: Pid) -> Result<bool, Errno> {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        let ended = waitid(Id::Pid(child), flags)?;
        Ok(matches!(ended, WaitStatus::Signaled(..)))
    }

    /// Locks an open file, as opposed to a process's.
    pub(crate) fn lock_open_file(file: impl AsFd, lock: &libc::flock) -> Result<(), Errno> {
        fcntl(file, FcntlArg::F_OFD_SETLK(lock)).map(drop)
    }

    /// Asks who holds such a lock.
    pub(crate) fn find_holder(file: impl AsFd, lock: &mut libc::flock) -> Result<(), Errno> {
        fcntl(file, FcntlArg::F_OFD_GETLK(lock)).map(drop)
    }

    /// Returns the device of a special file.
    pub(crate) fn numbers_of(st: &FileStat) -> (u64, u64) {
        (stat::major(st.st_rdev), stat::minor(st.st_rdev))
    }

    /// Returns the device that a file is on.
    pub(crate) fn device_of(st: &FileStat) -> u64 {
        st.st_dev
    }

    /// Returns permission bits as the calls want them.
    pub(crate) fn mode(bits: u32) -> Mode {
        Mode::from_bits_truncate(bits)
    }

    /// Returns the permission bits of a file.
    pub(crate) fn bits_of(st: &FileStat) -> u32 {
        st.st_mode & 0o7777
    }

    /// Returns the free bytes of a file system.
    pub(crate) fn free_bytes(of: &Statvfs) -> u64 {
        of.blocks_available().saturating_mul(of.fragment_size())
    }

    /// Returns how many files a file system has room for.
    pub(crate) fn free_files(of: &Statvfs) -> u64 {
        of.files_free()
    }
}

#[cfg(not(target_os = "linux"))]
#[path = "kernel_elsewhere.rs"]
mod calls;
