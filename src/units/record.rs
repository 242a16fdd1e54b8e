//! What of units is remembered. They are stopped and started, not owned, so that nothing is claimed or given back. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::names::TargetPath;
use crate::model::text::Text;
use crate::units::decide::Seeds;
use crate::units::failures::Failures;

/// What of units a run could not finish, for the next run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct UnitsRecord {
    /// Unit actions.
    pub pending: Seeds,
    /// The boot in which files were placed only: the next one does all that is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_boot_after: Option<String>,
    /// Units of the host that ran when ours took their place.
    #[serde(default)]
    pub ran_beneath: BTreeSet<String>,
    /// The sources of the user managers' units before a switch of those that has to be done again.
    pub pending_users: Option<BTreeMap<TargetPath, Text>>,
    /// Units that the last run could not bring up.
    #[serde(default, skip_serializing_if = "Failures::is_empty")]
    pub failed: Failures,
    /// The same of user managers, by user.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed_of_users: BTreeMap<String, Failures>,
}

impl UnitsRecord {
    /// Forgets what a boot has done since files were placed only; says whether there was one.
    pub(crate) fn forget_what_boot_did(&mut self, boot: &str) -> bool {
        let placed_in = self.until_boot_after.take_if(|placed| placed != boot);
        if placed_in.is_some() {
            self.pending = Seeds::default();
            self.pending_users = None;
        }
        placed_in.is_some()
    }
}
