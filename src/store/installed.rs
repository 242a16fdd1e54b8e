//! Packages of the distribution that a switch has installed, with those that these needed:
//! `/var/lib/system-manager/installed.json`. Written before they are installed, so that none is forgotten.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::host::fs::{Content, NewFile, Root};
use crate::store;

/// Where it is, relative to the root.
const FILE: &str = "var/lib/system-manager/installed.json";

const VERSION: u32 = 1;

/// What was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Installed {
    /// Format version.
    version: u32,
    /// What a configuration asked for.
    pub asked: BTreeSet<String>,
    /// What came along.
    pub along: BTreeSet<String>,
}

impl Default for Installed {
    fn default() -> Self {
        Self {
            version: VERSION,
            asked: BTreeSet::new(),
            along: BTreeSet::new(),
        }
    }
}

impl Installed {
    /// Reads it; nothing when nothing was installed.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn read(root: &Root) -> Result<Self> {
        let Some(bytes) = root.read(Path::new(FILE))? else {
            return Ok(Self::default());
        };
        let inner = || -> Result<Self> {
            let installed: Self = serde_json::from_slice(&bytes)?;
            if installed.version != VERSION {
                bail!("it has version {}", installed.version);
            }
            Ok(installed)
        };
        inner().with_context(|| format!("reading {}", root.show(Path::new(FILE)).display()))
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
        let content = serde_json::to_vec(self).context("serialising what was installed")?;
        root.write_file(
            Path::new(FILE),
            &NewFile {
                content: Content::Bytes(&content),
                mode: 0o600,
                uid: 0,
                gid: 0,
            },
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
