//! Locks of the kernel on files: they end with their holder, however it ends.

use std::fs::{File, TryLockError};
use std::io;
use std::ops::{Deref, DerefMut};

/// Who else may hold a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// Nobody.
    Alone,
    /// Whoever takes it shared, too.
    Shared,
}

/// A file whose lock is held until this is dropped.
#[derive(Debug)]
pub(crate) struct Held(File);

impl Held {
    /// Takes the lock. Returns the file again while somebody else has it.
    ///
    /// # Errors
    /// When it can't be taken for another reason.
    pub(crate) fn try_take(file: File, how: How) -> io::Result<Result<Self, File>> {
        let taken = match how {
            How::Alone => file.try_lock(),
            How::Shared => file.try_lock_shared(),
        };
        match taken {
            Ok(()) => Ok(Ok(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(Err(file)),
            Err(TryLockError::Error(e)) => Err(e),
        }
    }

    /// Waits for the lock and takes it.
    ///
    /// # Errors
    /// When it can't be taken.
    pub(crate) fn wait(file: File, how: How) -> io::Result<Self> {
        match how {
            How::Alone => file.lock(),
            How::Shared => file.lock_shared(),
        }?;
        Ok(Self(file))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // What can't be let go here is let go when the file is closed, at the latest when this process ends. Said before
        // that, it holds also where a child that was just started has a handle of it still.
        let _ = self.0.unlock();
    }
}

impl Deref for Held {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.0
    }
}
