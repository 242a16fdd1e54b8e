//! A child that may be signalled from any thread, and never once its number is free for somebody else.
//!
//! A number is free as soon as a child has been waited for. So its end is looked for without that first, and it is taken
//! from the kernel under the lock that each signal takes, too. Handles of processes (pidfd) would do the same, on kernels
//! that have them only.

use std::io;
use std::num::TryFromIntError;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::kernel;

/// A child of this process, as far as signals go.
#[derive(Clone)]
pub(crate) struct Living(Arc<Mutex<Number>>);

struct Number {
    pid: Pid,
    /// Whether the number may be somebody else's by now.
    is_free: bool,
}

impl Living {
    /// Takes a child that nobody has waited for, and for which only [`Living::wait`] will.
    ///
    /// # Errors
    /// When its number is none.
    pub(crate) fn of(child: &Child) -> Result<Self, TryFromIntError> {
        let pid = Pid::from_raw(i32::try_from(child.id())?);
        Ok(Self(Arc::new(Mutex::new(Number {
            pid,
            is_free: false,
        }))))
    }

    /// Whether both are the same child.
    #[must_use]
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Ends it, if it has not been waited for.
    ///
    /// # Errors
    /// When it may not be signalled.
    pub(crate) fn end(&self) -> Result<(), Errno> {
        let number = self.number();
        if number.is_free {
            return Ok(());
        }
        kill(number.pid, Signal::SIGKILL)
    }

    /// Returns how it has ended, if it has.
    ///
    /// # Errors
    /// When it can't be waited for.
    pub(crate) fn try_wait(&self, child: &mut Child) -> io::Result<Option<ExitStatus>> {
        let mut number = self.number();
        let status = child.try_wait()?;
        number.is_free |= status.is_some();
        Ok(status)
    }

    /// Waits for its end. `last` is called when it has ended and still has its number, with whether a signal ended it.
    ///
    /// # Errors
    /// When it can't be waited for.
    pub(crate) fn wait(
        &self,
        child: &mut Child,
        last: impl FnOnce(Pid, bool),
    ) -> io::Result<ExitStatus> {
        let pid = self.number().pid;
        let is_killed = loop {
            match kernel::await_end(pid) {
                Err(Errno::EINTR) => {}
                other => break other?,
            }
        };
        let mut number = self.number();
        last(pid, is_killed);
        number.is_free = true;
        child.wait()
    }

    /// A thread that panicked has left nothing half done here.
    fn number(&self) -> MutexGuard<'_, Number> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    #[test]
    fn what_has_been_waited_for_is_not_signalled_any_more() {
        let mut child = Command::new("true").spawn().unwrap();
        let living = Living::of(&child).unwrap();
        let mut number = None;
        let status = living.wait(&mut child, |pid, was_killed| {
            assert!(!was_killed);
            // It is there still: the signal reaches it, and does nothing to what has ended.
            kill(pid, Signal::SIGKILL).unwrap();
            number = Some(pid);
        });
        assert!(status.unwrap().success());
        assert!(living.number().is_free);
        // Nothing of this number is there, which a signal would say.
        assert_eq!(kill(number.unwrap(), None), Err(Errno::ESRCH));
        assert_eq!(living.end(), Ok(()));
    }

    #[test]
    fn what_runs_is_ended_from_another_thread() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let living = Living::of(&child).unwrap();
        let other = living.clone();
        let waits = std::thread::spawn(move || {
            other.wait(&mut child, |_, killed| assert!(killed)).unwrap()
        });
        living.end().unwrap();
        assert_eq!(waits.join().unwrap().signal(), Some(9));
    }
}
