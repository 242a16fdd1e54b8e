//! What stands at a path, as data: what tells ours from foreign, and what rules of tmpfiles.d see.

use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;

use anyhow::{Context, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::text::Text;

/// What stands at a path, as far as it matters for telling ours from foreign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Node {
    /// Nothing.
    Absent,
    /// A symbolic link; a target that is not UTF-8 is shown with replacement characters.
    Link {
        /// Where it points.
        #[schemars(with = "String")]
        to: Text,
    },
    /// A regular file.
    File {
        /// SHA-256 of the content, in hexadecimal.
        sha256: String,
        /// Permission bits.
        mode: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
    },
    /// A folder.
    Folder,
    /// A device, socket or pipe.
    Special,
    /// Nothing can stand here: `at` above it is not a folder.
    Blocked {
        /// The path, relative to the root, that is in the way.
        at: PathBuf,
    },
}

impl Node {
    /// Whether both are files with the same content, whatever their modes and owners.
    #[must_use]
    pub(crate) fn has_same_content(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File { sha256: one, .. }, Self::File { sha256: two, .. }) => one == two,
            _ => false,
        }
    }
}

/// What stands at a path, as far as rules are about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// Permission bits; 0777 for a link.
    pub mode: u32,
    /// User.
    pub user: Id,
    /// Group.
    pub group: Id,
}

impl Object {
    /// Returns it for people.
    #[must_use]
    pub(crate) fn text(&self) -> String {
        let name = self.kind.name();
        match &self.kind {
            Kind::Link { to } => format!("{name} to {to}"),
            _ => format!(
                "{name} with mode {:04o}, owner {}:{}",
                self.mode, self.user, self.group
            ),
        }
    }
}

/// What an object is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A folder.
    Folder,
    /// A regular file.
    File {
        /// SHA-256 of the content, where a rule is about it; that of an empty file is always there.
        content: Option<String>,
    },
    /// A symbolic link.
    Link {
        /// Where it points.
        to: String,
    },
    /// A named pipe.
    Pipe,
    /// A socket, which no rule makes.
    Socket,
    /// A device.
    Device {
        /// Whether it is a block device, not a character device.
        block: bool,
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
}

/// A user or group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Id {
    /// By number.
    Number(u32),
    /// One that does not exist yet.
    Name(String),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl Kind {
    /// Says whether both are of one type, whatever they hold.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// Names it, for people.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Folder => "a folder",
            Self::File { .. } => "a file",
            Self::Link { .. } => "a symbolic link",
            Self::Pipe => "a pipe",
            Self::Socket => "a socket",
            Self::Device { .. } => "a device",
        }
    }
}

/// SHA-256 of nothing.
pub(crate) const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Hashes what a reader gives, in hexadecimal.
///
/// # Errors
/// When reading fails.
pub fn sha256_of(mut reader: impl Read) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = [0; 8 * 1024];
    loop {
        let n = reader.read(&mut buffer)?;
        if n == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..n]);
    }
}

/// Renders bytes in hexadecimal. Pure.
#[must_use]
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|b| [b >> 4, b & 15]);
    digits.map(|d| char::from(DIGITS[usize::from(d)])).collect()
}

/// Reads what `hex` renders. Pure.
///
/// # Errors
/// When it is something else; the error has nothing of it.
pub(crate) fn unhex(text: &str) -> Result<Vec<u8>> {
    let pairs = (0..text.len()).step_by(2);
    let bytes = pairs.map(|at| {
        let pair = text.get(at..at + 2).filter(|pair| !pair.starts_with('+'));
        let byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok());
        byte.context("it is not hexadecimal")
    });
    bytes.collect()
}
