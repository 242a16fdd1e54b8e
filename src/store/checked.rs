//! The form of what this program remembers: one line of JSON with a version, a checksum and the record itself.
//!
//! What was cut, altered or written by another version is told from what is whole. Pure.

use std::fmt;

use anyhow::{Context, Result, bail};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::model::json;
use crate::model::node::sha256_of;

/// A record whose checksum is right.
pub(crate) struct Checked<'a> {
    /// The SHA-256 of its text, in hexadecimal.
    pub sha256: String,
    record: &'a str,
}

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    sha256: &'a str,
    record: &'a RawValue,
}

#[derive(Deserialize)]
struct Read {
    #[expect(unused, reason = "whether it is there")]
    sha256: IgnoredAny,
    #[expect(unused, reason = "whether it is there")]
    record: IgnoredAny,
}

impl Checked<'_> {
    /// Returns the record.
    ///
    /// # Errors
    /// When it is not what this version of the format has.
    pub(crate) fn record<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(self.record).context("it is malformed")
    }
}

/// Returns the checksum of a record, with the text that it is of.
///
/// # Errors
/// When it can't be represented in JSON.
fn text_of(record: &impl Serialize) -> Result<(String, Box<RawValue>)> {
    let text = serde_json::value::to_raw_value(record)?;
    Ok((sha256_of(text.get().as_bytes())?, text))
}

/// Returns what tells a record from others: its checksum.
///
/// # Errors
/// When it can't be represented in JSON.
pub(crate) fn digest(record: &impl Serialize) -> Result<String> {
    Ok(text_of(record)?.0)
}

/// Renders a record as one line.
///
/// # Errors
/// When it can't be represented in JSON.
pub(crate) fn render(version: u32, record: &impl Serialize) -> Result<Vec<u8>> {
    let (sha256, record) = text_of(record)?;
    let mut line = serde_json::to_vec(&Written {
        version,
        sha256: &sha256,
        record: &record,
    })?;
    line.push(b'\n');
    Ok(line)
}

/// Returns the version that a text says it has.
///
/// # Errors
/// When it is empty, cut or no JSON.
pub(crate) fn version(text: &[u8]) -> Result<u32> {
    #[derive(Deserialize)]
    struct Head {
        version: u32,
    }
    if text.trim_ascii().is_empty() {
        bail!("it is empty");
    }
    json::from_bytes::<IgnoredAny>(text).context("it is truncated or not JSON")?;
    let head: Head = json::from_bytes(text).context("it has no version")?;
    Ok(head.version)
}

/// Checks a line that [`render`] wrote.
///
/// # Errors
/// When it is not whole, or of another version.
pub(crate) fn parse(version: u32, text: &[u8]) -> Result<Checked<'_>> {
    if let Some((sha256, record)) = split(version, text)
        && sha256_of(record.as_bytes())? == sha256
    {
        let sha256 = sha256.to_owned();
        return Ok(Checked { sha256, record });
    }
    // What follows only says what is wrong with it.
    let (found, known) = (self::version(text)?, version);
    if found > known {
        return Err(Newer { found, known }.into());
    }
    json::from_bytes::<Read>(text).context("it is malformed")?;
    bail!("its checksum is wrong: it was truncated or altered");
}

/// Returns the checksum and the record of a line as [`render`] writes it, byte by byte; large ones are parsed once only.
fn split(version: u32, text: &[u8]) -> Option<(&str, &str)> {
    let head = format!(r#"{{"version":{version},"sha256":""#);
    let text = std::str::from_utf8(text).ok()?;
    let (sha256, record) = text.strip_prefix(&head)?.split_once('"')?;
    let record = record.strip_prefix(r#","record":"#)?;
    let record = record.trim_ascii_end().strip_suffix('}')?;
    Some((sha256, record))
}

/// A newer program wrote it.
#[derive(Debug)]
struct Newer {
    found: u32,
    known: u32,
}

impl std::error::Error for Newer {}

impl fmt::Display for Newer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found, known } = self;
        write!(
            f,
            "it has version {found}, written by a newer system-manager; this one reads version {known}\nhint: use the `bin/system-manager` of the newest generation"
        )
    }
}

/// Returns the error for a file that can't be trusted, with what to do about it. What a newer program wrote is not damaged.
#[must_use]
pub(crate) fn in_file(error: anyhow::Error, path: &str, remedy: &str) -> anyhow::Error {
    if error.is::<Newer>() {
        error.context(format!("reading {path}"))
    } else {
        error.context(format!("reading {path}\n{remedy}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_not_whole() {
        let good = String::from_utf8(render(2, &["a", "b"]).unwrap()).unwrap();
        let read: Vec<String> = parse(2, good.as_bytes()).unwrap().record().unwrap();
        assert_eq!(read, ["a", "b"]);
        for (text, why) in [
            (String::new(), "empty"),
            (good[..good.len() / 2].to_owned(), "truncated"),
            (good.replace("\"b\"", "\"c\""), "checksum"),
            (good.replace("\"b\"", "\"b\", \"c\""), "checksum"),
            (good.replace("\"version\":2", "\"version\":3"), "newer"),
            (good.replace("\"version\":2", "\"version\":1"), "checksum"),
            (good.replace("\"record\"", "\"rekord\""), "malformed"),
            (good.replace("\"version\"", "\"verzion\""), "no version"),
        ] {
            let error = format!("{:#}", parse(2, text.as_bytes()).map(|_| ()).unwrap_err());
            assert!(error.contains(why), "{why}: {error}");
        }
    }
}
