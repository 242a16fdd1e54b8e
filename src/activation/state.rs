//! What the activator owns on a host, and how that is remembered: `/var/lib/system-manager/state.json`.
//!
//! The state is written ahead of the effects that it covers: while an activation is under way, each file that it
//! touches is recorded with what it was and what it is becoming, so that after a kill either is known as ours.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::activation::kinds::{self, Seen};
use crate::activation::state_earlier;
use crate::basics::record::BasicsRecord;
use crate::blocks::record::BlocksRecord;
use crate::files::record::FilesRecord;
use crate::host::fs::{Content, NewFile, Root};
use crate::model::names::{AbsolutePath, FileName};
use crate::model::node::Node;
use crate::scripts::record::ScriptRecord;
use crate::store;
use crate::store::backups::{self, Backups};
use crate::store::checked;
use crate::store::owned::Owns;
use crate::tmpfiles::record::TmpfilesRecord;
use crate::units::record::UnitsRecord;

/// The version of the format that this program reads and writes.
pub(crate) const VERSION: u32 = 3;

const FILE: &str = "var/lib/system-manager/state.json";
const PREDECESSOR: &str = "var/lib/system-manager/state.json.previous";

/// Everything that is owned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct State {
    /// The checksum that it was read with; empty once it is not what was read any more.
    #[serde(skip)]
    pub checksum: String,
    /// What is active; none before the first activation and after `deactivate`.
    pub active: Option<Active>,
    /// Files and folders below `/etc`.
    pub files: FilesRecord,
    /// Lines of ours in files of others.
    pub blocks: BlocksRecord,
    /// The host's name, time zone, locale and keyboard.
    #[serde(default, skip_serializing_if = "BasicsRecord::is_empty")]
    pub basics: BasicsRecord,
    /// What tmpfiles rules of ours made, and could not do.
    pub tmpfiles: TmpfilesRecord,
    /// What is kept of files that were replaced.
    pub backups: Backups,
    /// Whether accounts were ever managed here, so that `ids.json` must be there.
    pub accounts: bool,
    /// Which activation scripts have run.
    pub scripts: ScriptRecord,
    /// What of units a run could not finish.
    pub units: UnitsRecord,
}

/// The generation that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
        let text = match checked::parse(VERSION, bytes) {
            Ok(text) => text,
            // What follows is for what is not of this version; what is, is read once.
            Err(error) => match checked::version(bytes)? {
                1 => return state_earlier::parse_v1(bytes),
                2 => return state_earlier::parse_v2(bytes),
                _ => return Err(error),
            },
        };
        Ok(Self {
            checksum: text.sha256.clone(),
            ..text.record()?
        })
    }

    /// Resolves what a stopped activation left open, by what the host shows. Pure.
    pub(crate) fn settle(&mut self, seen: &Seen) {
        if self.is_begun() {
            kinds::settle(self, seen);
            // It is not what was read any more.
            self.checksum.clear();
        }
    }

    /// Whether an activation has begun to change what is ours, and has not ended.
    fn is_begun(&self) -> bool {
        kinds::owners(self).into_iter().any(Owns::is_begun)
    }

    /// Returns the checksum of the content: equal states have equal digests. Pure.
    ///
    /// # Errors
    /// When it can't be serialised.
    pub fn digest(&self) -> Result<String> {
        checked::digest(self)
    }

    /// Returns what tells this state from others: the checksum that it was read with, or its digest. Pure.
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

    /// Returns the backups that still belong to anything.
    #[must_use]
    pub fn used_backups(&self) -> BTreeSet<&FileName> {
        let edits = self.backups.saved.iter().map(|s| &s.backup);
        let owned = kinds::owners(self).into_iter().flat_map(Owns::backups);
        owned.chain(edits).collect()
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
                    "{} is missing, although its previous version exists\n{}",
                    root.show(Path::new(FILE)).display(),
                    recovery_hint(root)
                );
            }
            let mut state = Self::default();
            state.backups.next = backups::first_free(root)?;
            return Ok(state);
        };
        let path = root.show(Path::new(FILE)).display().to_string();
        Self::parse(&bytes).map_err(|e| checked::in_file(e, &path, &recovery_hint(root)))
    }

    /// Writes the state durably, keeping its predecessor. An unchanged state is not written.
    ///
    /// # Errors
    /// When it can't be written; the old one stands then.
    pub fn write(&mut self, root: &Root) -> Result<()> {
        let digest = self.digest()?;
        if digest == self.checksum {
            return Ok(());
        }
        let content = checked::render(VERSION, self)?;
        store::make_folder(root)?;
        let path = Path::new(FILE);
        if root.node(path)? != Node::Absent {
            root.copy(path, Path::new(PREDECESSOR))?;
        }
        root.write_file(path, &NewFile::of_root(Content::Bytes(&content), 0o600))?;
        root.sync()?;
        self.checksum = digest;
        Ok(())
    }
}

fn recovery_hint(root: &Root) -> String {
    let (state, previous) = (
        root.show(Path::new(FILE)),
        root.show(Path::new(PREDECESSOR)),
    );
    format!(
        "hint: restore the previous version with `cp -a {} {}`, then run `system-manager status`",
        previous.display(),
        state.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut state = State::default();
        state.backups.next = 7;
        let text = checked::render(VERSION, &state).unwrap();
        let read = State::parse(&text).unwrap();
        assert_eq!(read.identity().unwrap(), state.digest().unwrap());
        state.checksum.clone_from(&read.checksum);
        assert_eq!(read, state);
    }
}
