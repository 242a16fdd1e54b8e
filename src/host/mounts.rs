//! What is mounted, as the kernel tells this process: `/proc/self/mountinfo`, proc(5).
#![expect(clippy::disallowed_methods, reason = "reads what the kernel says")]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use anyhow::{Context, Result};

/// Something that is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Where.
    pub at: PathBuf,
    /// The options of its file system, with their escapes, as bytes.
    options: Vec<u8>,
}

impl Mount {
    fn parse(line: &[u8]) -> Option<Self> {
        let mut words = line.split(|byte| *byte == b' ');
        let at = words.nth(4)?;
        words.find(|word| *word == b"-")?;
        Some(Self {
            at: PathBuf::from(OsString::from_vec(unescape(at))),
            options: words.next_back()?.to_owned(),
        })
    }

    /// Whether its file system has this option.
    pub(crate) fn has_option(&self, option: &str) -> bool {
        let mut all = self.options.split(|byte| *byte == b',');
        all.any(|one| unescape(one) == option.as_bytes())
    }
}

/// Lists what is mounted; what is on top of something comes after it.
///
/// # Errors
/// When the kernel does not say.
pub(crate) fn read() -> Result<Vec<Mount>> {
    let text = std::fs::read("/proc/self/mountinfo").context("reading /proc/self/mountinfo")?;
    Ok(text
        .split(|byte| *byte == b'\n')
        .filter_map(Mount::parse)
        .collect())
}

/// Resolves the escapes (`\040`) in a path of mountinfo, proc(5). Pure.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let digits = text.get(at + 1..at + 4).filter(|_| text[at] == b'\\');
        let code = digits.and_then(|d| u8::from_str_radix(std::str::from_utf8(d).ok()?, 8).ok());
        bytes.push(code.unwrap_or(text[at]));
        at += if code.is_some() { 4 } else { 1 };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn reads_lines_of_mountinfo() {
        let line = br"61 29 0:44 / /etc/a\040b rw,relatime shared:1 - overlay overlay rw,lowerdir=/etc,upperdir=/run/x\040y/upper";
        let mount = Mount::parse(line).unwrap();
        assert_eq!(mount.at, Path::new("/etc/a b"));
        assert!(mount.has_option("upperdir=/run/x y/upper"));
        assert!(!mount.has_option("relatime"), "it is not the file system's");
        assert!(Mount::parse(b"cut").is_none());
        assert!(Mount::parse(b"").is_none());
    }

    #[test]
    fn paths_of_mounts_are_unescaped() {
        for (text, expected) in [
            ("/a", "/a"),
            ("/a\\040b", "/a b"),
            ("/a\\134040", "/a\\040"),
            ("/a\\", "/a\\"),
        ] {
            assert_eq!(unescape(text.as_bytes()), expected.as_bytes(), "{text}");
        }
    }
}
