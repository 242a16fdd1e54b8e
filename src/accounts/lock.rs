//! The locks that shadow-utils takes, taken in the same way, so that neither side writes over the other.
//!
//! lckpwdf(3) is what every tool that is built against glibc takes first. `useradd --prefix` takes it in `/` though, and
//! locks the files themselves only by `NAME.lock`, a link to a file with the holder's pid: so those are taken too.
#![expect(clippy::disallowed_methods, reason = "reads and makes locks")]

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, FcntlArg, OFlag, fcntl, openat};
use nix::libc;
use nix::sys::signal::kill;
use nix::sys::stat::Mode;
use nix::unistd::{Pid, UnlinkatFlags, getpid, linkat, unlinkat};

use crate::host::fs::at::read_at;

/// How long shadow-utils and lckpwdf(3) wait.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often a lock that another process holds is tried again; there is no call that waits for a link to go.
const RETRY: Duration = Duration::from_millis(20);

/// The databases that shadow-utils locks one by one.
const LOCKED: [&str; 6] = ["passwd", "group", "gshadow", "shadow", "subuid", "subgid"];

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
        wait(deadline, "/etc/.pwd.lock", || {
            let whole = libc::flock {
                l_type: libc::F_WRLCK.try_into()?,
                l_whence: libc::SEEK_SET.try_into()?,
                l_start: 0,
                l_len: 0,
                l_pid: 0,
            };
            // An open-file lock conflicts with lckpwdf's lock, but is not lost when another handle is closed.
            match fcntl(&pwd_lock, FcntlArg::F_OFD_SETLK(&whole)) {
                Ok(_) => Ok(true),
                Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
                Err(e) => Err(e.into()),
            }
        })?;
        let mut lock = Self {
            etc,
            links: Vec::new(),
            _pwd_lock: pwd_lock,
        };
        for name in LOCKED {
            let link = format!("{name}.lock");
            wait(deadline, &format!("/etc/{link}"), || {
                link_lock(&lock.etc, name, &link)
            })?;
            lock.links.push(link);
        }
        Ok(lock)
    }
}

impl Drop for AccountsLock {
    fn drop(&mut self) {
        for link in self.links.drain(..) {
            // A link that stays names a pid that is gone soon, which every taker recognises as stale.
            let _ = unlinkat(&self.etc, link.as_str(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

fn wait(deadline: Instant, what: &str, mut attempt: impl FnMut() -> Result<bool>) -> Result<()> {
    while !attempt().with_context(|| format!("locking {what}"))? {
        if Instant::now() > deadline {
            bail!("locking {what}: another program holds it for more than 15 seconds");
        }
        std::thread::sleep(RETRY);
    }
    Ok(())
}

/// Makes the link `NAME.lock`; false while a living process has it.
fn link_lock(etc: &OwnedFd, name: &str, link: &str) -> Result<bool> {
    let own = format!("{name}.{}", getpid());
    remove(etc, &own)?;
    let flags =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut file = File::from(openat(
        etc,
        own.as_str(),
        flags,
        Mode::from_bits_truncate(0o600),
    )?);
    file.write_all(format!("{}\0", getpid()).as_bytes())?;
    let made = linkat(etc, own.as_str(), etc, link, AtFlags::empty());
    remove(etc, &own)?;
    match made {
        Ok(()) => return Ok(true),
        Err(Errno::EEXIST) => {}
        Err(e) => return Err(e.into()),
    }
    let Some(holder) = read_at(etc, link)? else {
        return Ok(false);
    };
    let text = String::from_utf8_lossy(&holder);
    let pid = text.trim_end_matches('\0').trim().parse::<i32>();
    if let Ok(pid) = pid
        && pid > 0
        && kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH)
    {
        tracing::warn!("removing the stale lock /etc/{link} of process {pid}, which is gone");
        remove(etc, link)?;
    }
    Ok(false)
}

fn remove(etc: &OwnedFd, name: &str) -> Result<()> {
    match unlinkat(etc, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(e) => Err(e.into()),
    }
}
