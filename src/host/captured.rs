//! What this process says itself, kept from those who read its streams.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result};
use nix::unistd::{dup2_stderr, dup2_stdout};

use super::kernel;

/// What was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

/// Does some work, and returns with its result what it and the programs that it starts say meanwhile.
///
/// # Errors
/// When the streams can't be led elsewhere.
pub(crate) fn captured<T>(work: impl FnOnce() -> T) -> Result<(T, Said)> {
    let inner = || -> Result<(T, Said)> {
        let (mut stdout, mut stderr) = (in_memory()?, in_memory()?);
        let streams = Streams::lead_to(&stdout, &stderr)?;
        let result = work();
        drop(streams);
        let said = Said {
            stdout: read(&mut stdout)?,
            stderr: read(&mut stderr)?,
        };
        Ok((result, said))
    };
    inner().context("leading the standard streams elsewhere")
}

fn in_memory() -> Result<File> {
    Ok(File::from(kernel::file_in_memory()?))
}

fn read(file: &mut File) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The standard streams as they were; they are so again when this goes.
struct Streams {
    stdout: OwnedFd,
    stderr: OwnedFd,
}

impl Streams {
    fn lead_to(stdout: &File, stderr: &File) -> Result<Self> {
        let streams = Self {
            stdout: io::stdout().as_fd().try_clone_to_owned()?,
            stderr: io::stderr().as_fd().try_clone_to_owned()?,
        };
        io::stdout().flush()?;
        dup2_stdout(stdout)?;
        dup2_stderr(stderr)?;
        Ok(streams)
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        // What can't be written to memory, or be undone, is told by nobody.
        let _ = io::stdout().flush();
        let _ = dup2_stdout(&self.stdout);
        let _ = dup2_stderr(&self.stderr);
    }
}
