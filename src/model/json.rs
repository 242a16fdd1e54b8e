//! The one door for JSON that comes as bytes. Each further form from which a value is read (bytes, a reader, a tree) compiles
//! the reading of each type once more, and the program is to stay small.

use serde::de::{DeserializeOwned, Error};

/// Reads a value.
///
/// # Errors
/// When the bytes are not UTF-8, no JSON, or not what the type has.
pub(crate) fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    let text = std::str::from_utf8(bytes).map_err(Error::custom)?;
    serde_json::from_str(text)
}
