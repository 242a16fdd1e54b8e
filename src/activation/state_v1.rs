//! The state as version 1 of its format has it, which is read and not written any more.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::activation::state::{Active, State, UnitsRecord};
use crate::blocks::record::OwnedBlock;
use crate::files::record::{FilesRecord, OwnedFile, OwnedFolder};
use crate::model::names::TargetPath;
use crate::model::node::sha256_of;
use crate::scripts::decide::ScriptRecord;
use crate::store::backups::{Backups, SavedEdit};
use crate::tmpfiles::record::{Made, TmpfilesRecord};
use crate::units::decide::Seeds;
use crate::units::failures::Failures;

/// Parses and checks a state's text. Pure.
///
/// # Errors
/// When it was altered.
pub(super) fn parse(text: &[u8]) -> Result<State> {
    let state: StateV1 = serde_json::from_slice(text).context("it is malformed")?;
    if checksum_of(text)? != state.checksum {
        bail!("its checksum is wrong: it was cut or altered");
    }
    Ok(state.into())
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

/// The form in which version 1 was written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct StateV1 {
    /// Format version.
    version: u32,
    /// SHA-256 of this structure with an empty checksum.
    checksum: String,
    /// What is active; none before the first activation and after `deactivate`.
    active: Option<Active>,
    /// Files below `/etc` that are ours.
    files: BTreeMap<TargetPath, OwnedFile>,
    /// Folders below `/etc` that are ours.
    folders: BTreeMap<TargetPath, OwnedFolder>,
    /// What tmpfiles rules of ours made, by path.
    #[serde(default)]
    tmpfiles: BTreeMap<String, Made>,
    /// Blocks of ours in files of others.
    #[serde(default)]
    blocks: BTreeMap<TargetPath, OwnedBlock>,
    /// Hand-made changes of managed files that were kept when the files were put right.
    saved: Vec<SavedEdit>,
    /// The number of the next backup.
    next_backup: u64,
    /// Whether accounts were ever managed here, so that `ids.json` must be there.
    #[serde(default)]
    accounts: bool,
    /// The sources of the user managers' units before a switch of those that has to be done again.
    #[serde(default)]
    pending_user_units: Option<BTreeMap<TargetPath, String>>,
    /// Which activation scripts have run.
    #[serde(default)]
    scripts: ScriptRecord,
    /// Unit actions that a run could not finish, for the next run.
    pending: Seeds,
}

impl From<StateV1> for State {
    fn from(old: StateV1) -> Self {
        Self {
            checksum: old.checksum,
            active: old.active,
            files: FilesRecord {
                entries: old.files,
                folders: old.folders,
            },
            blocks: old.blocks,
            tmpfiles: TmpfilesRecord {
                made: old.tmpfiles,
                failed: Vec::new(),
            },
            backups: Backups {
                saved: old.saved,
                next: old.next_backup,
            },
            accounts: old.accounts,
            scripts: old.scripts,
            units: UnitsRecord {
                pending: old.pending,
                pending_users: old.pending_user_units,
                failed: Failures::new(),
                failed_of_users: BTreeMap::new(),
                ran_beneath: BTreeSet::new(),
            },
        }
    }
}
