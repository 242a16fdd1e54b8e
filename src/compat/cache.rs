//! What was found before: one file of JSON lines for each nixpkgs and version of our Nix files.
//!
//! A line is added as soon as something is known, so that a run that ends early loses nothing; of two lines about the
//! same thing the later one counts.
#![expect(clippy::disallowed_methods, reason = "keeps what was found")]

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::nix;

/// Version of the lines.
const VERSION: u32 = 1;

/// What was found before, and where more is added.
#[derive(Debug)]
pub(super) struct Cache {
    path: PathBuf,
    file: File,
    known: BTreeMap<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    key: String,
    value: Value,
}

impl Cache {
    /// Opens the cache for what all results depend on. With `fresh`, nothing in it counts.
    ///
    /// # Errors
    /// When it can't be written.
    pub(super) fn open(depends: &[&str], fresh: bool) -> Result<Self> {
        let mut digest = Sha256::new();
        let own = nix::embedded_tag(|name| Path::new(name).extension() == Some("nix".as_ref()));
        for part in [&VERSION.to_string(), own.as_str()].iter().chain(depends) {
            digest.update(part.as_bytes());
            digest.update([0]);
        }
        let tag: String = digest
            .finalize()
            .iter()
            .take(12)
            .map(|b| format!("{b:02x}"))
            .collect();
        let folder = nix::cache_folder().join("compat");
        let path = folder.join(format!("{tag}.jsonl"));
        let open = || -> std::io::Result<(File, String)> {
            fs::create_dir_all(&folder)?;
            let mut options = OpenOptions::new();
            let mut file = options.append(true).create(true).open(&path)?;
            let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
            if !text.is_empty() && !text.ends_with('\n') {
                // A line that was not written to its end must not spoil the next one.
                file.write_all(b"\n")?;
            }
            Ok((file, text))
        };
        let (file, text) = open().with_context(|| {
            format!(
                "opening the cache {}\nhint: set XDG_CACHE_HOME to another folder",
                path.display()
            )
        })?;
        let known = text
            .lines()
            .filter(|_| !fresh)
            // What is not a whole line is found out again.
            .filter_map(|line| serde_json::from_str::<Line>(line).ok())
            .map(|line| (line.key, line.value))
            .collect();
        Ok(Self { path, file, known })
    }

    /// Gives what is known.
    #[must_use]
    pub(super) fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        // A value of another shape is found out again.
        serde_json::from_str(&self.known.get(key)?.to_string()).ok()
    }

    /// Keeps what was found out.
    ///
    /// # Errors
    /// When it can't be written.
    pub(super) fn put(&mut self, key: &str, value: &impl Serialize) -> Result<()> {
        let value = serde_json::to_value(value).context("serialising a result")?;
        let line = Line {
            key: key.to_owned(),
            value,
        };
        let mut text = serde_json::to_vec(&line).context("serialising a result")?;
        text.push(b'\n');
        // In one piece, so that runs at the same time do not mix their lines.
        self.file
            .write_all(&text)
            .with_context(|| format!("writing the cache {}", self.path.display()))?;
        self.known.insert(line.key, line.value);
        Ok(())
    }
}
