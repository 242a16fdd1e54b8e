//! What the activator owns on a host, and how that is remembered: `/var/lib/system-manager/state.json`.
//!
//! The state is written ahead of the effects that it covers: while an activation is under way, each file that it
//! touches is recorded with what it was and what it is becoming, so that after a kill either is known as ours.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};

use crate::activation::state_v1::StateV1;
use crate::blocks::record::OwnedBlock;
use crate::files::record::FilesRecord;
use crate::host::fs::{Content, NewFile, Root};
use crate::model::names::{AbsolutePath, FileName, TargetPath};
use crate::model::node::{Node, sha256_of};
use crate::scripts::decide::ScriptRecord;
use crate::store;
use crate::store::backups::{self, Backups};
use crate::tmpfiles::decide::Made;
use crate::units::decide::Seeds;

/// The version of the format that this program reads and writes.
pub const VERSION: u32 = 1;

const FILE: &str = "var/lib/system-manager/state.json";
const PREDECESSOR: &str = "var/lib/system-manager/state.json.previous";

/// Everything that is owned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// The checksum that it was read with; empty once it is not what was read any more.
    pub checksum: String,
    /// What is active; none before the first activation and after `deactivate`.
    pub active: Option<Active>,
    /// Files and folders below `/etc`.
    pub files: FilesRecord,
    /// Lines of ours in files of others.
    pub blocks: BTreeMap<TargetPath, OwnedBlock>,
    /// What tmpfiles rules of ours made, by path.
    pub tmpfiles: BTreeMap<String, Made>,
    /// What is kept of files that were replaced.
    pub backups: Backups,
    /// Whether accounts were ever managed here, so that `ids.json` must be there.
    pub accounts: bool,
    /// Which activation scripts have run.
    pub scripts: ScriptRecord,
    /// What of units a run could not finish.
    pub units: UnitsRecord,
}

/// What of units a run could not finish, for the next run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitsRecord {
    /// Unit actions.
    pub pending: Seeds,
    /// Units of the host that ran when ours took their place.
    pub ran_beneath: BTreeSet<String>,
    /// The sources of the user managers' units before a switch of those that has to be done again.
    pub pending_users: Option<BTreeMap<TargetPath, String>>,
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

impl State {
    /// Parses and checks a state's text. Pure.
    ///
    /// # Errors
    /// When it is empty, cut, altered, or of another version.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() {
            bail!("the state is empty");
        }
        let state: StateV1 = serde_json::from_slice(bytes).map_err(|e| explain(bytes, e))?;
        if state.version > VERSION {
            return Err(from_newer(state.version));
        }
        if checksum_of(bytes)? != state.checksum {
            bail!("the state's checksum is wrong: it was cut or altered");
        }
        Ok(state.into())
    }

    /// Gives the checksum of the content: equal states have equal digests. Pure.
    ///
    /// # Errors
    /// When it can't be serialised.
    pub fn digest(&self) -> Result<String> {
        checksum_of(&serde_json::to_vec(&StateV1::from(self.clone()))?)
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
        Ok(serde_json::to_vec(&StateV1::from(self.clone()))?)
    }

    /// Returns the backups that still belong to anything.
    #[must_use]
    pub fn used_backups(&self) -> BTreeSet<&FileName> {
        let edits = self.backups.saved.iter().map(|s| &s.backup);
        self.files.backups().chain(edits).collect()
    }

    /// Removes the copies in the backups that nothing belongs to.
    ///
    /// # Errors
    /// When one can't be removed.
    pub fn sweep_backups(&self, root: &Root) -> Result<()> {
        backups::sweep(root, &self.used_backups(), self.backups.next)
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
            let mut state = Self::default();
            state.backups.next = backups::first_free(root)?;
            return Ok(state);
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
        store::make_folder(root)?;
        let path = Path::new(FILE);
        if root.node(path)? != Node::Absent {
            root.copy(path, Path::new(PREDECESSOR))?;
        }
        root.write_file(
            path,
            &NewFile {
                content: Content::Bytes(&content),
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
            backups: Backups {
                next: 7,
                ..Backups::default()
            },
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
