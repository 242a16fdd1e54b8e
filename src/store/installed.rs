//! Packages of the distribution that a switch has installed, with those that these needed:
//! `/var/lib/system-manager/installed.json`. Written before they are installed, so that none is forgotten.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::host::fs::{Content, NewFile, Root};
use crate::model::json;
use crate::store::{self, checked};

/// Where it is, relative to the root.
const FILE: &str = "var/lib/system-manager/installed.json";

/// The version of the format that this program writes; what has 1 had no checksum.
const VERSION: u32 = 2;

/// What was installed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Installed {
    /// What the record has said of its version itself, when it was 1.
    #[serde(default, skip_serializing)]
    version: Option<u32>,
    /// What a configuration asked for.
    pub asked: BTreeSet<String>,
    /// What came along.
    pub along: BTreeSet<String>,
}

impl Installed {
    fn parse(bytes: &[u8]) -> Result<Self> {
        if checked::version(bytes)? == 1 {
            let read: Self = json::from_bytes(bytes).context("it is malformed")?;
            return Ok(Self {
                version: None,
                ..read
            });
        }
        checked::parse(VERSION, bytes)?.record()
    }

    /// Reads it; nothing when nothing was installed.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn read(root: &Root) -> Result<Self> {
        let Some(bytes) = root.read(Path::new(FILE))? else {
            return Ok(Self::default());
        };
        let path = root.show(Path::new(FILE)).display().to_string();
        Self::parse(&bytes).map_err(|error| {
            let remedy = format!(
                "hint: move it away (`mv {path} {path}.damaged`) and run this again; packages that it names are not removed by --purge-installed then"
            );
            checked::in_file(error, &path, &remedy)
        })
    }

    /// Writes it durably; the file goes when nothing is left.
    ///
    /// # Errors
    /// When it can't be written.
    pub(crate) fn write(&self, root: &Root) -> Result<()> {
        if self.all().next().is_none() {
            root.remove_file(Path::new(FILE))?;
            return root.sync();
        }
        store::make_folder(root)?;
        let content = checked::render(VERSION, self).context("serialising what was installed")?;
        root.write_file(
            Path::new(FILE),
            &NewFile::of_root(Content::Bytes(&content), 0o600),
        )?;
        root.sync()
    }

    /// Returns all of it, what was asked for first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &String> {
        self.asked.iter().chain(&self.along)
    }

    /// Forgets what is not there any more.
    pub(crate) fn keep_only(&mut self, there: &BTreeSet<String>) {
        self.asked.retain(|name| there.contains(name));
        self.along.retain(|name| there.contains(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_build_wrote_is_read_and_damage_is_not() {
        let old = br#"{"version":1,"asked":["a"],"along":["b"]}"#;
        let installed = Installed::parse(old).unwrap();
        assert_eq!(installed.all().collect::<Vec<_>>(), ["a", "b"]);
        let new = checked::render(VERSION, &installed).unwrap();
        assert_eq!(Installed::parse(&new).unwrap(), installed);
        let text = String::from_utf8(new).unwrap();
        for damaged in [
            text.replace("\"a\"", "\"c\""),
            text[..text.len() - 5].to_owned(),
        ] {
            assert!(Installed::parse(damaged.as_bytes()).is_err(), "{damaged}");
        }
    }
}
