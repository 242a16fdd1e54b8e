//! What the activator owns on a host, and how that is remembered: `/var/lib/system-manager/state.json`.
//!
//! The state is written ahead of the effects that it covers: while an activation is under way, each file that it
//! touches is recorded with what it was and what it is becoming, so that after a kill either is known as ours.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};

use crate::blocks::decide::Origin;
use crate::host::fs::{NewFile, Node, Root, sha256_of};
use crate::model::names::{AbsolutePath, FileName, TargetPath};
use crate::scripts::decide::ScriptRecord;
use crate::tmpfiles::decide::Made;
use crate::units::decide::Seeds;

/// The version of the format that this program reads and writes.
pub const VERSION: u32 = 1;

/// The folder that holds everything the activator remembers, relative to the root.
pub const FOLDER: &str = "var/lib/system-manager";

/// Its permission bits: everybody may follow `/run/current-system` through it, and nobody may look around.
pub const FOLDER_MODE: u32 = 0o711;

const FILE: &str = "var/lib/system-manager/state.json";
const PREDECESSOR: &str = "var/lib/system-manager/state.json.previous";

/// Everything that is owned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct State {
    /// Format version.
    pub version: u32,
    /// SHA-256 of this structure with an empty checksum.
    pub checksum: String,
    /// What is active; none before the first activation and after `deactivate`.
    pub active: Option<Active>,
    /// Files below `/etc` that are ours.
    pub files: BTreeMap<TargetPath, OwnedFile>,
    /// Folders below `/etc` that are ours.
    pub folders: BTreeMap<TargetPath, OwnedFolder>,
    /// What tmpfiles rules of ours made, by path.
    // Left out when empty, so that a state from before there was such a record keeps its checksum.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tmpfiles: BTreeMap<String, Made>,
    /// Blocks of ours in files of others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub blocks: BTreeMap<TargetPath, OwnedBlock>,
    /// Hand-made changes of managed files that were kept when the files were put right.
    pub saved: Vec<SavedEdit>,
    /// The number of the next backup.
    pub next_backup: u64,
    /// Whether accounts were ever managed here, so that `ids.json` must be there.
    #[serde(default)]
    pub accounts: bool,
    /// The sources of the user managers' units before a switch of those that has to be done again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_user_units: Option<BTreeMap<TargetPath, String>>,
    /// Which activation scripts have run.
    #[serde(default, skip_serializing_if = "ScriptRecord::is_empty")]
    pub scripts: ScriptRecord,
    /// Unit actions that a run could not finish, for the next run.
    pub pending: Seeds,
    /// Units of the host that ran when ours took their place.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ran_beneath: BTreeSet<String>,
}

/// The generation that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Active {
    /// Its toplevel.
    pub toplevel: AbsolutePath,
    /// Names and versions of its packages.
    pub packages: BTreeSet<String>,
}

/// A file or link that is ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OwnedFile {
    /// What we put there; `Absent` while it is being made.
    pub is: Node,
    /// What an activation that has begun makes of it.
    pub becoming: Option<Becoming>,
    /// The path whose content it has, or the text of the link.
    pub source: String,
    /// The foreign file that stood there.
    pub backup: Option<FileName>,
}

/// What an activation that has begun makes of a file, and what stood there when it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Becoming {
    /// A file of ours.
    Ours {
        /// What stood there.
        from: Node,
        /// What it becomes.
        to: Node,
        /// The path whose content it gets, or the text of the link.
        source: String,
    },
    /// No file of ours: it is removed, or its backup put back.
    Gone {
        /// What stood there.
        from: Node,
    },
}

/// Lines that are ours in a file of others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OwnedBlock {
    /// What the lines are, or none; more than one while an activation changes them.
    pub texts: Vec<Option<String>>,
    /// How they came into the file.
    pub origin: Origin,
}

/// A folder that is ours: it goes when it is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OwnedFolder {
    /// The foreign file that stood there before a file of ours, which this folder replaced.
    pub backup: Option<FileName>,
}

/// A kept hand-made change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SavedEdit {
    /// Where it stood.
    pub target: TargetPath,
    /// Its name in the folder of backups.
    pub backup: FileName,
    /// When it was saved, in seconds since 1970.
    pub time: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            version: VERSION,
            checksum: String::new(),
            active: None,
            files: BTreeMap::new(),
            folders: BTreeMap::new(),
            tmpfiles: BTreeMap::new(),
            blocks: BTreeMap::new(),
            saved: Vec::new(),
            next_backup: 1,
            accounts: false,
            pending_user_units: None,
            scripts: ScriptRecord::default(),
            pending: Seeds::default(),
            ran_beneath: BTreeSet::new(),
        }
    }
}

impl State {
    /// Parses and checks a state's text. Pure.
    ///
    /// # Errors
    /// When it is empty, cut, altered, or of another version.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() {
            bail!("the state is empty");
        }
        let state: Self = serde_json::from_slice(bytes).map_err(|e| explain(bytes, e))?;
        if state.version > VERSION {
            return Err(from_newer(state.version));
        }
        if checksum_of(bytes)? != state.checksum {
            bail!("the state's checksum is wrong: it was cut or altered");
        }
        Ok(state)
    }

    /// Gives the checksum of the content: equal states have equal digests. Pure.
    ///
    /// # Errors
    /// When it can't be serialised.
    pub fn digest(&self) -> Result<String> {
        checksum_of(&serde_json::to_vec(self)?)
    }

    /// Gives what tells this state from others: the checksum that it was read with, or its digest. Pure.
    ///
    /// # Errors
    /// When it can't be serialised.
    pub fn identity(&self) -> Result<String> {
        if self.checksum.is_empty() {
            self.digest()
        } else {
            Ok(self.checksum.clone())
        }
    }

    /// Gives the text that is written, with its checksum, which is taken over the text without it. Pure.
    fn render(&mut self) -> Result<Vec<u8>> {
        self.checksum = self.digest()?;
        Ok(serde_json::to_vec(self)?)
    }

    /// Says whether a backup still belongs to anything.
    #[must_use]
    pub fn uses_backup(&self, id: Option<&FileName>) -> bool {
        self.files.values().any(|f| f.backup.as_ref() == id)
            || self.folders.values().any(|f| f.backup.as_ref() == id)
            || self.saved.iter().any(|s| Some(&s.backup) == id)
    }

    /// Reads the state of a host; the default when there is none.
    ///
    /// # Errors
    /// When it can't be read or trusted; the message says what to do.
    pub fn read(root: &Root) -> Result<Self> {
        let Some(bytes) = root.read(Path::new(FILE))? else {
            if root.node(Path::new(PREDECESSOR))? != Node::Absent {
                bail!(
                    "{} is missing, but its predecessor is there\n{}",
                    root.show(Path::new(FILE)).display(),
                    recovery_hint(root)
                );
            }
            return Ok(Self::default());
        };
        Self::parse(&bytes).map_err(|e| {
            let hint = if e.to_string().contains("hint:") {
                String::new()
            } else {
                recovery_hint(root)
            };
            e.context(format!(
                "reading {}\n{hint}",
                root.show(Path::new(FILE)).display()
            ))
        })
    }

    /// Writes the state durably, keeping its predecessor. An unchanged state is not written.
    ///
    /// # Errors
    /// When it can't be written; the old one stands then.
    pub fn write(&mut self, root: &Root) -> Result<()> {
        let before = std::mem::take(&mut self.checksum);
        let content = self.render()?;
        if before == self.checksum {
            return Ok(());
        }
        root.make_folders(Path::new("var/lib"))?;
        root.make_folder(Path::new(FOLDER), FOLDER_MODE)?;
        let path = Path::new(FILE);
        if root.node(path)? != Node::Absent {
            root.copy(path, Path::new(PREDECESSOR))?;
        }
        root.write_file(
            path,
            &NewFile {
                content: &content,
                mode: 0o600,
                uid: 0,
                gid: 0,
            },
        )?;
        root.sync()
    }
}

/// The field that is left out of the checksum; it comes second, after the version.
const CHECKSUM_FIELD: &[u8] = b"\"checksum\":\"";

/// Hashes a state's text without the value of its checksum.
fn checksum_of(text: &[u8]) -> Result<String> {
    let at = text
        .windows(CHECKSUM_FIELD.len())
        .take(256)
        .position(|w| w == CHECKSUM_FIELD)
        .context("the state has no checksum")?
        + CHECKSUM_FIELD.len();
    let end = text[at..]
        .iter()
        .position(|b| *b == b'"')
        .context("the state's checksum is cut")?;
    Ok(sha256_of(text[..at].chain(&text[at + end..]))?)
}

/// Says why a text is no state: it may be a newer program's, cut, or malformed.
fn explain(text: &[u8], error: serde_json::Error) -> anyhow::Error {
    #[derive(Deserialize)]
    struct Head {
        version: u32,
    }
    match serde_json::from_slice::<Head>(text) {
        Ok(head) if head.version > VERSION => from_newer(head.version),
        Ok(_) => anyhow!(error).context("the state is malformed"),
        Err(_) => anyhow!(error).context("the state is cut or no JSON"),
    }
}

fn from_newer(version: u32) -> anyhow::Error {
    anyhow!(
        "the state has version {version}, written by a newer system-manager; this one reads version {VERSION}\nhint: use the `bin/system-manager` of the newest generation"
    )
}

fn recovery_hint(root: &Root) -> String {
    let (state, previous) = (
        root.show(Path::new(FILE)),
        root.show(Path::new(PREDECESSOR)),
    );
    format!(
        "hint: its predecessor is kept: `cp -a {} {}`, then run `system-manager status`",
        previous.display(),
        state.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_states_that_cannot_be_trusted() {
        let mut state = State {
            next_backup: 7,
            ..State::default()
        };
        let good = String::from_utf8(state.render().unwrap()).unwrap();
        assert_eq!(State::parse(good.as_bytes()).unwrap(), state);
        for (bytes, why) in [
            (String::new(), "empty"),
            (good[..good.len() / 2].to_owned(), "cut"),
            (
                good.replace("\"nextBackup\":7", "\"nextBackup\":8"),
                "checksum",
            ),
            (good.replace("\"version\":1", "\"version\":2"), "newer"),
            (good.replace("\"saved\"", "\"daved\""), "malformed"),
        ] {
            let error = format!("{:#}", State::parse(bytes.as_bytes()).unwrap_err());
            assert!(error.contains(why), "{why}: {error}");
        }
    }
}
