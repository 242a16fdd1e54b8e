//! What a file gets: bytes, or the content of another file, which must be what it was.
#![expect(clippy::disallowed_methods, reason = "looks at sources")]

use std::fs::{self, File, FileType};
use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::{self, FileStat, Mode, SFlag};

use super::at::kind;
use super::{READ_FLAGS, whole};
use crate::host::kernel;
use crate::model::node::sha256_of;

/// Where the content of a file comes from.
#[derive(Clone, Copy)]
pub enum Content<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// A file of any place, which is copied piece by piece.
    Source {
        /// Its path; links are followed.
        path: &'a str,
        /// The SHA-256 that it must have, in hexadecimal.
        sha256: &'a str,
    },
}

/// Opens a file that is a source; links are followed, and what would block or never end is refused.
///
/// # Errors
/// When it can't be opened, or is not a regular file.
pub(crate) fn open_source(path: &str) -> Result<impl Read + use<>> {
    let (file, st) = open(path)?;
    if kind(&st) != SFlag::S_IFREG {
        bail!("it is not a regular file");
    }
    Ok(whole(file, st.st_size))
}

/// Returns what a path leads to; none where nothing is there, or a link leads nowhere.
///
/// # Errors
/// When that can't be looked at; it is never taken for nothing.
pub(crate) fn type_of(path: &Path) -> Result<Option<FileType>> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found.file_type())),
        Err(e) if matches!(e.raw_os_error(), Some(2 | 20 | 40)) => Ok(None),
        Err(e) => Err(e).with_context(|| format!("looking at {}", path.display())),
    }
}

/// Reads a source whole: a file, or nothing where it leads to `/dev/null`, which is how systemd's files are masked.
///
/// # Errors
/// When it can't be opened, or would block or never end.
pub(crate) fn read_source(path: &str) -> Result<Vec<u8>> {
    let (file, st) = open(path)?;
    // Room for all at once: without, it is read by a few bytes first.
    let room = usize::try_from(st.st_size).unwrap_or(0).min(1 << 20);
    let mut bytes = Vec::with_capacity(room + 1);
    match kind(&st) {
        SFlag::S_IFREG => {
            whole(file, st.st_size).read_to_end(&mut bytes)?;
        }
        SFlag::S_IFCHR if kernel::numbers_of(&st) == (1, 3) => {}
        _ => bail!("it is not a regular file"),
    }
    Ok(bytes)
}

fn open(path: &str) -> Result<(File, FileStat)> {
    let flags = READ_FLAGS.difference(OFlag::O_NOFOLLOW);
    let file = openat(AT_FDCWD, path, flags, Mode::empty())?;
    let st = stat::fstat(&file)?;
    Ok((File::from(file), st))
}

pub(super) fn fill(file: &mut File, content: Content<'_>) -> Result<()> {
    match content {
        Content::Bytes(bytes) => Ok(file.write_all(bytes)?),
        Content::Source { path, sha256 } => {
            let source = open_source(path).with_context(|| format!("reading {path}"))?;
            let mut copied = Copied {
                source,
                file,
                error: None,
            };
            let found = sha256_of(&mut copied);
            if let Some(error) = copied.error {
                return Err(error.into());
            }
            if found.with_context(|| format!("reading {path}"))? != sha256 {
                bail!("{path} has changed since the plan was made");
            }
            Ok(())
        }
    }
}

/// A reader that writes what is read through it.
struct Copied<'a, R> {
    source: R,
    file: &'a mut File,
    error: Option<io::Error>,
}

impl<R: Read> Read for Copied<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(buffer)?;
        if let Err(error) = self.file.write_all(&buffer[..n]) {
            // Told apart from an error of the source.
            self.error = Some(error);
            return Ok(0);
        }
        Ok(n)
    }
}
