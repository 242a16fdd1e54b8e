//! The hash and the size by which Nix knows what is in a store path.

use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::Result;
use sha2::{Digest, Sha256};

/// What an archive comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counted {
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// How many bytes.
    pub size: u64,
}

/// Hashes and counts the bytes that go through it, in either direction.
pub(crate) struct Hashing<T> {
    inner: T,
    digest: Sha256,
    size: u64,
}

impl<T> Hashing<T> {
    /// Wraps a reader or writer.
    pub(crate) fn new(inner: T) -> Self {
        Self {
            inner,
            digest: Sha256::new(),
            size: 0,
        }
    }

    /// Returns what went through it.
    pub(crate) fn finish(self) -> Counted {
        let digest = self.digest.finalize();
        Counted {
            sha256: digest.iter().map(|b| format!("{b:02x}")).collect(),
            size: self.size,
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.size += bytes.len() as u64;
    }
}

impl<T: Read> Read for Hashing<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.add(&buffer[..count]);
        Ok(count)
    }
}

impl<T: Write> Write for Hashing<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.add(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Returns hash and size of the archive of what is at `path`.
///
/// # Errors
/// When it can't be read.
pub(crate) fn hash(path: &Path) -> Result<Counted> {
    let mut sink = Hashing::new(io::sink());
    super::write(path, &mut sink)?;
    Ok(sink.finish())
}
