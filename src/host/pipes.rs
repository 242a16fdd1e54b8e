//! What goes to a program and what comes from it, at the same time and without threads.
#![expect(clippy::disallowed_methods, reason = "waits")]

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStdin};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How much is written at once: a pipe that takes anything takes this much without waiting.
const PIECE: usize = 4096;

/// How much of what a program prints is held in memory, of each stream.
const MOST: usize = 256 << 20;

/// What a program printed.
#[derive(Debug, Default)]
pub(super) struct Printed {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// Gives a program its input and reads what it prints, until it has closed all of its streams; none when that took longer
/// than `limit`. Streams that are not in our hands are left alone.
///
/// # Errors
/// When a stream can't be read or waited for.
pub(super) fn talk(
    child: &mut Child,
    input: &[u8],
    limit: Option<Duration>,
) -> Result<Option<Printed>> {
    let begun = Instant::now();
    let mut input = Giving {
        pipe: child.stdin.take(),
        left: input,
    };
    let mut stdout = Taking::of(child.stdout.take());
    let mut stderr = Taking::of(child.stderr.take());
    loop {
        let waiting = [input.fd(), stdout.fd(), stderr.fd()];
        if waiting.iter().all(Option::is_none) {
            return Ok(Some(Printed {
                stdout: stdout.bytes,
                stderr: stderr.bytes,
            }));
        }
        let left = limit.map(|limit| limit.saturating_sub(begun.elapsed()));
        if left == Some(Duration::ZERO) {
            return Ok(None);
        }
        let [can_give, out_came, err_came] = wait(waiting, left)?;
        if can_give {
            input.give();
        }
        if out_came {
            stdout.take()?;
        }
        if err_came {
            stderr.take()?;
        }
    }
}

/// Waits until something can be done with one of the streams, or the time is over. Returns with which.
fn wait(streams: [Option<BorrowedFd<'_>>; 3], left: Option<Duration>) -> Result<[bool; 3]> {
    let for_what = [PollFlags::POLLOUT, PollFlags::POLLIN, PollFlags::POLLIN];
    let there = streams.into_iter().zip(for_what);
    let mut fds: Vec<PollFd<'_>> = there
        .filter_map(|(fd, flags)| Some(PollFd::new(fd?, flags)))
        .collect();
    // One more than is left, so that it is over afterwards.
    let timeout = left.map_or(PollTimeout::NONE, |left| {
        PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
    });
    match poll(&mut fds, timeout) {
        Ok(_) => {}
        Err(Errno::EINTR) => return Ok([false; 3]),
        Err(e) => return Err(e).context("waiting for a program"),
    }
    // Those that hang up are ready, too: reading them says so.
    let mut ready = fds.iter().map(|fd| fd.any() != Some(false));
    Ok(streams.map(|stream| stream.is_some() && ready.next() == Some(true)))
}

/// What a program is given; it is closed at its end.
struct Giving<'a> {
    pipe: Option<ChildStdin>,
    left: &'a [u8],
}

impl Giving<'_> {
    fn fd(&mut self) -> Option<BorrowedFd<'_>> {
        if self.left.is_empty() {
            self.pipe = None;
        }
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    fn give(&mut self) {
        let Some(pipe) = &mut self.pipe else { return };
        match pipe.write(&self.left[..self.left.len().min(PIECE)]) {
            Ok(count) => self.left = &self.left[count..],
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            // A program that does not read all of its input is not an error of ours.
            Err(_) => self.left = &[],
        }
    }
}

/// What a program prints on one stream.
struct Taking<P> {
    pipe: Option<P>,
    bytes: Vec<u8>,
}

impl<P: Read + AsFd> Taking<P> {
    fn of(pipe: Option<P>) -> Self {
        let bytes = Vec::new();
        Self { pipe, bytes }
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    fn take(&mut self) -> Result<()> {
        let mut piece = [0; 2 * PIECE];
        let Some(pipe) = &mut self.pipe else {
            return Ok(());
        };
        match pipe.read(&mut piece) {
            Ok(0) => self.pipe = None,
            Ok(count) if self.bytes.len() + count > MOST => bail!("it prints without end"),
            Ok(count) => self.bytes.extend_from_slice(&piece[..count]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e).context("reading what a program prints"),
        }
        Ok(())
    }
}
