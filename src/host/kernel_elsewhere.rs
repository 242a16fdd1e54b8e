//! The calls of `kernel.rs` where there is no Linux: what it has alone says so, the rest is the same.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
use nix::sys::stat::{FileStat, Mode};
use nix::sys::statvfs::Statvfs;
use nix::unistd::Pid;

pub(crate) const LOOK_AT: OFlag = OFlag::O_NONBLOCK;

pub(crate) fn open_beneath(_: &OwnedFd, _: &Path, _: OFlag) -> Result<OwnedFd, Errno> {
    Err(Errno::ENOSYS)
}

pub(crate) fn open_in_root(_: &OwnedFd, _: &Path, _: OFlag) -> Result<OwnedFd, Errno> {
    Err(Errno::ENOSYS)
}

pub(crate) fn open_nameless(_: impl AsFd, _: OFlag, _: Mode) -> Result<OwnedFd, Errno> {
    Err(Errno::EOPNOTSUPP)
}

pub(crate) fn set_aside(_: impl AsFd, _: i64) -> Result<(), Errno> {
    Err(Errno::EOPNOTSUPP)
}

pub(crate) fn rename_apart<P: nix::NixPath + ?Sized>(
    _: &OwnedFd,
    _: &str,
    _: &P,
) -> Result<(), Errno> {
    Err(Errno::ENOSYS)
}

pub(crate) fn is_plain(_: impl AsFd) -> Result<bool, Errno> {
    Ok(false)
}

pub(crate) fn sync_file_system(_: File) -> Result<(), Errno> {
    nix::unistd::sync();
    Ok(())
}

pub(crate) fn remount_writable(_: &Path) -> Result<(), Errno> {
    Err(Errno::ENOSYS)
}

pub(crate) fn mount_overlay(_: &Path, _: &str) -> Result<(), Errno> {
    Err(Errno::ENOSYS)
}

pub(crate) fn unmount(_: &Path) -> Result<(), Errno> {
    Err(Errno::ENOSYS)
}

pub(crate) fn file_in_memory() -> Result<OwnedFd, Errno> {
    Err(Errno::ENOSYS)
}

pub(crate) fn adopt_orphans(_: bool) -> Result<(), Errno> {
    Err(Errno::ENOSYS)
}

pub(crate) fn lock_open_file(_: impl AsFd, _: &libc::flock) -> Result<(), Errno> {
    Err(Errno::ENOSYS)
}

pub(crate) fn find_holder(_: impl AsFd, _: &mut libc::flock) -> Result<(), Errno> {
    Err(Errno::ENOSYS)
}

/// The upper eight bits of a device, and the rest.
pub(crate) fn numbers_of(st: &FileStat) -> (u64, u64) {
    let device = u64::from(st.st_rdev.cast_unsigned());
    (device >> 24, device & 0xff_ffff)
}

pub(crate) fn device_of(st: &FileStat) -> u64 {
    u64::from(st.st_dev.cast_unsigned())
}

pub(crate) fn mode(bits: u32) -> Mode {
    Mode::from_bits_truncate(libc::mode_t::try_from(bits & 0o7777).unwrap_or_default())
}

pub(crate) fn bits_of(st: &FileStat) -> u32 {
    u32::from(st.st_mode) & 0o7777
}

pub(crate) fn free_bytes(of: &Statvfs) -> u64 {
    u64::from(of.blocks_available()).saturating_mul(of.fragment_size())
}

pub(crate) fn free_files(of: &Statvfs) -> u64 {
    of.files_free().into()
}

/// A watch of folders: there is none.
pub(crate) enum Watch {}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match *self {}
    }
}

pub(crate) fn watch(_: &[PathBuf]) -> Result<Watch, Errno> {
    Err(Errno::ENOSYS)
}

pub(crate) fn forget_changes(watch: &Watch) -> Result<(), Errno> {
    match *watch {}
}

/// Asks the kernel's queue of events, which leaves the end to be taken, too. One that has ended before is not found.
pub(crate) fn await_end(child: Pid) -> Result<bool, Errno> {
    let number = usize::try_from(child.as_raw()).map_err(|_| Errno::ESRCH)?;
    let wanted = FilterFlag::NOTE_EXIT | FilterFlag::NOTE_EXITSTATUS;
    let once = EvFlags::EV_ADD | EvFlags::EV_ONESHOT;
    let event = KEvent::new(number, EventFilter::EVFILT_PROC, once, wanted, 0, 0);
    let mut seen = [event];
    match Kqueue::new()?.kevent(&[event], &mut seen, None) {
        Ok(_) if !seen[0].flags().contains(EvFlags::EV_ERROR) => Ok(seen[0].data() & 0x7f != 0),
        Ok(_) | Err(Errno::ESRCH) => Ok(false),
        Err(e) => Err(e),
    }
}
