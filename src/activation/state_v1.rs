//! The state as version 1 of its format has it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::activation::state::{Active, State, UnitsRecord};
use crate::blocks::record::OwnedBlock;
use crate::files::record::{FilesRecord, OwnedFile, OwnedFolder};
use crate::model::names::TargetPath;
use crate::scripts::decide::ScriptRecord;
use crate::store::backups::{Backups, SavedEdit};
use crate::tmpfiles::decide::Made;
use crate::units::decide::Seeds;

/// The form in which version 1 was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct StateV1 {
    /// Format version.
    pub(super) version: u32,
    /// SHA-256 of this structure with an empty checksum.
    pub(super) checksum: String,
    /// What is active; none before the first activation and after `deactivate`.
    pub(super) active: Option<Active>,
    /// Files below `/etc` that are ours.
    pub(super) files: BTreeMap<TargetPath, OwnedFile>,
    /// Folders below `/etc` that are ours.
    pub(super) folders: BTreeMap<TargetPath, OwnedFolder>,
    /// What tmpfiles rules of ours made, by path.
    // Left out when empty, so that a state from before there was such a record keeps its checksum.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tmpfiles: BTreeMap<String, Made>,
    /// Blocks of ours in files of others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) blocks: BTreeMap<TargetPath, OwnedBlock>,
    /// Hand-made changes of managed files that were kept when the files were put right.
    pub(super) saved: Vec<SavedEdit>,
    /// The number of the next backup.
    pub(super) next_backup: u64,
    /// Whether accounts were ever managed here, so that `ids.json` must be there.
    #[serde(default)]
    pub(super) accounts: bool,
    /// The sources of the user managers' units before a switch of those that has to be done again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pending_user_units: Option<BTreeMap<TargetPath, String>>,
    /// Which activation scripts have run.
    #[serde(default, skip_serializing_if = "ScriptRecord::is_empty")]
    pub(super) scripts: ScriptRecord,
    /// Unit actions that a run could not finish, for the next run.
    pub(super) pending: Seeds,
    /// Units of the host that ran when ours took their place.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) ran_beneath: BTreeSet<String>,
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
            tmpfiles: old.tmpfiles,
            backups: Backups {
                saved: old.saved,
                next: old.next_backup,
            },
            accounts: old.accounts,
            scripts: old.scripts,
            units: UnitsRecord {
                pending: old.pending,
                pending_users: old.pending_user_units,
                ran_beneath: old.ran_beneath,
            },
        }
    }
}

impl From<State> for StateV1 {
    fn from(state: State) -> Self {
        Self {
            version: 1,
            checksum: state.checksum,
            active: state.active,
            files: state.files.entries,
            folders: state.files.folders,
            tmpfiles: state.tmpfiles,
            blocks: state.blocks,
            saved: state.backups.saved,
            next_backup: state.backups.next,
            accounts: state.accounts,
            pending_user_units: state.units.pending_users,
            scripts: state.scripts,
            pending: state.units.pending,
            ran_beneath: state.units.ran_beneath,
        }
    }
}
