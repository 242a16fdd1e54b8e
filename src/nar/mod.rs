//! NAR, the archive of Nix's store: one file, link or folder as bytes, the same bytes for the same content. Streamed both
//! ways in constant memory; what is read is not trusted.
//!
//! The format is of strings: a length of eight bytes (little-endian), the bytes, and zeros up to a multiple of eight.

mod hash;
mod read;
mod write;

pub(crate) use hash::{Hashing, hash};
pub(crate) use read::check;
pub use read::unpack;
pub use write::write;
pub(crate) use write::write_with;

/// What an archive begins with.
const MAGIC: &[u8] = b"nix-archive-1";

/// The longest name in a folder (`NAME_MAX`).
const NAME_MAX: u64 = 255;

/// The longest target of a link (`PATH_MAX`, without its NUL).
const TARGET_MAX: u64 = 4095;

/// How deep folders may be in each other. Each level holds an open folder.
const DEPTH_MAX: usize = 200;

/// Returns how many zeros follow a string of this length.
fn padding(length: u64) -> u64 {
    length.wrapping_neg() % 8
}

#[cfg(test)]
mod tests;
