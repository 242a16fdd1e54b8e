//! The locks that shadow-utils takes, taken in the same way, so that neither side writes over the other.
//!
//! lckpwdf(3) is what every tool that is built against glibc takes first. `useradd --prefix` takes it in `/` though, and
//! locks the files themselves only by `NAME.lock`, a link to a file with the holder's pid: so those are taken too.
//!
//! Unlike the lock of lckpwdf(3), these outlive their holder. Others know a dead holder by its pid only, which is another
//! process's soon, or is not there after a power cut; so ours have a mark, by which the next run knows them.
#![expect(clippy::disallowed_methods, reason = "reads and makes locks")]

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::libc;
use nix::sys::signal::kill;
use nix::sys::stat::Mode;
use nix::unistd::{Pid, UnlinkatFlags, getpid, unlinkat};
use xattr::FileExt;

use crate::host::fs::at::{self, read_at};
use crate::host::kernel;

/// How long shadow-utils and lckpwdf(3) wait.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often a lock that another process holds is tried again; there is no call that waits for a link to go.
const RETRY: Duration = Duration::from_millis(20);

/// How often it is tried to remove a lock.
const TRIES: u32 = 3;

/// The databases that shadow-utils locks one by one.
const LOCKED: [&str; 6] = ["passwd", "group", "gshadow", "shadow", "subuid", "subgid"];

/// The mark of a lock of ours; the second one where the first may not be set.
const MARKS: [&str; 2] = ["trusted.system-manager", "user.system-manager"];

/// Holds the account databases of one root. Dropping it lets them go.
pub struct AccountsLock {
    etc: OwnedFd,
    links: Vec<String>,
    /// Closing it ends the lock of lckpwdf(3).
    _pwd_lock: OwnedFd,
}

impl AccountsLock {
    /// Takes the locks in the folder `etc`, waiting up to 15 seconds as shadow-utils does.
    ///
    /// # Errors
    /// When another process holds one for longer, or a lock can't be made.
    pub fn take(etc: OwnedFd) -> Result<Self> {
        let deadline = Instant::now() + PATIENCE;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let pwd_lock = openat(&etc, ".pwd.lock", flags, Mode::from_bits_truncate(0o600))
            .context("opening /etc/.pwd.lock")?;
        let whole = libc::flock {
            l_type: libc::F_WRLCK.try_into()?,
            l_whence: libc::SEEK_SET.try_into()?,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        let holder = || {
            let mut held = whole;
            kernel::find_holder(&pwd_lock, &mut held).ok()?;
            Some(held.l_pid).filter(|&pid| pid > 0)
        };
        let attempt = || {
            // An open-file lock conflicts with lckpwdf's lock, but is not lost when another handle is closed.
            match kernel::lock_open_file(&pwd_lock, &whole) {
                Ok(()) => Ok(true),
                Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
                Err(e) => Err(e.into()),
            }
        };
        wait(deadline, "/etc/.pwd.lock", attempt, holder)?;
        let mut lock = Self {
            etc,
            links: Vec::new(),
            _pwd_lock: pwd_lock,
        };
        for name in LOCKED {
            let link = format!("{name}.lock");
            let attempt = || link_lock(&lock.etc, &link);
            wait(deadline, &format!("/etc/{link}"), attempt, || {
                pid_of(&lock.etc, &link)
            })?;
            lock.links.push(link);
        }
        Ok(lock)
    }
}

impl Drop for AccountsLock {
    fn drop(&mut self) {
        for link in self.links.drain(..) {
            // What a disk or a signal has refused once may go the next time.
            let mut removed = remove(&self.etc, &link);
            for _ in 1..TRIES {
                removed = removed.or_else(|_| remove(&self.etc, &link));
            }
            if let Err(error) = removed {
                tracing::warn!(
                    "/etc/{link} can't be removed, and blocks useradd and similar programs: {error}; the next run removes it, or run `rm /etc/{link}`"
                );
            }
        }
    }
}

fn wait(
    deadline: Instant,
    what: &str,
    mut attempt: impl FnMut() -> Result<bool>,
    holder: impl Fn() -> Option<i32>,
) -> Result<()> {
    while !attempt().with_context(|| format!("locking {what}"))? {
        if Instant::now() > deadline {
            let holder = holder().map_or_else(|| "another program".to_owned(), describe);
            bail!(
                "locking {what}: {holder} has held it for more than {} seconds\nhint: run this again once that has ended",
                PATIENCE.as_secs()
            );
        }
        std::thread::sleep(RETRY);
    }
    Ok(())
}

/// Makes the link `NAME.lock`; false while a living process has it.
fn link_lock(etc: &OwnedFd, link: &str) -> Result<bool> {
    if make_lock(etc, link)? {
        return Ok(true);
    }
    if is_left_by_a_run(etc, link)? {
        tracing::info!("removing /etc/{link}, which an interrupted run has left");
    } else if let Some(pid) = pid_of(etc, link)
        && kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH)
    {
        tracing::warn!("removing the stale lock /etc/{link} of process {pid}, which is gone");
    } else {
        return Ok(false);
    }
    remove(etc, link)?;
    Ok(make_lock(etc, link)?)
}

/// The process that a lock names.
fn pid_of(etc: &OwnedFd, link: &str) -> Option<i32> {
    // One that can't be read, or has gone, names nobody; the next attempt says why.
    let holder = read_at(etc, link).ok()??;
    let text = String::from_utf8_lossy(&holder);
    let pid = text.trim_end_matches('\0').trim().parse().ok()?;
    (pid > 0).then_some(pid)
}

/// Names a process for people.
fn describe(pid: i32) -> String {
    // It may have just ended, and be nobody by now.
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    match name.trim() {
        "" => format!("process {pid}"),
        name => format!("process {pid} (`{name}`)"),
    }
}

/// Makes a lock with its content and its mark, in one step. Returns whether it was free.
fn make_lock(etc: &OwnedFd, link: &str) -> nix::Result<bool> {
    let made = at::make_file(etc, link, 0o600, |file| {
        // Without attributes there is no mark: then the pid is all that the next run has, as others.
        for mark in MARKS {
            if file.set_xattr(mark, b"lock").is_ok() {
                break;
            }
        }
        file.write_all(format!("{}\0", getpid()).as_bytes())
    });
    match made {
        Ok(()) => Ok(true),
        Err(Errno::EEXIST) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Whether a lock was made by this program. Its runs make them under the lock of lckpwdf(3): who has that knows that the
/// one that made this is dead.
fn is_left_by_a_run(etc: &OwnedFd, link: &str) -> Result<bool> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = match openat(etc, link, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(Errno::ENOENT) => return Ok(false),
        Err(e) => return Err(e.into()),
    };
    Ok(MARKS
        .iter()
        .any(|mark| matches!(file.get_xattr(mark), Ok(Some(_)))))
}

/// Removes what a run that was killed has left of its locks, and of the databases that it was writing under them.
///
/// Returns the names of what was removed.
///
/// # Errors
/// When something is there and can't be removed.
pub(crate) fn sweep(etc: OwnedFd) -> Result<Vec<String>> {
    let mut swept = Vec::new();
    if !any_left(&etc)? {
        return Ok(swept);
    }
    let lock = AccountsLock::take(etc)?;
    // Nobody else could write them while the locks were there, and nobody can now.
    for name in LOCKED {
        for unfinished in [format!("{name}+"), format!("{name}-+")] {
            if read_at(&lock.etc, &unfinished)?.is_some() {
                remove(&lock.etc, &unfinished)?;
                swept.push(unfinished);
            }
        }
    }
    Ok(swept)
}

fn any_left(etc: &OwnedFd) -> Result<bool> {
    for name in LOCKED {
        if is_left_by_a_run(etc, &format!("{name}.lock"))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn remove(etc: &OwnedFd, name: &str) -> nix::Result<()> {
    match unlinkat(etc, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_a_lock_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let etc = OwnedFd::from(File::open(folder.path()).unwrap());
        let own = std::process::id();
        for (text, expected) in [
            (format!("{own}\0"), Some(i32::try_from(own).unwrap())),
            ("77\n".to_owned(), Some(77)),
            (String::new(), None),
            ("-1".to_owned(), None),
            ("no\0".to_owned(), None),
        ] {
            std::fs::write(folder.path().join("passwd.lock"), &text).unwrap();
            assert_eq!(pid_of(&etc, "passwd.lock"), expected, "{text:?}");
        }
        assert_eq!(pid_of(&etc, "group.lock"), None);
        let past = Instant::now().checked_sub(PATIENCE).unwrap();
        let error = wait(
            past,
            "/etc/passwd.lock",
            || Ok(false),
            || i32::try_from(own).ok(),
        );
        let error = error.unwrap_err().to_string();
        let name = std::fs::read_to_string("/proc/self/comm").unwrap();
        let holder = format!("process {own} (`{}`)", name.trim());
        assert!(error.contains(&holder), "{error}");
        assert!(describe(i32::MAX).ends_with("process 2147483647"));
    }
}
