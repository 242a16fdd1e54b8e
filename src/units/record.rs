//! What of units is remembered. They are stopped and started, not owned, so that nothing is claimed or given back. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::names::TargetPath;
use crate::units::decide::Seeds;
use crate::units::failures::Failures;

/// What of units a run could not finish, for the next run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct UnitsRecord {
    /// Unit actions.
    pub pending: Seeds,
    /// Units of the host that ran when ours took their place.
    #[serde(default)]
    pub ran_beneath: BTreeSet<String>,
    /// The sources of the user managers' units before a switch of those that has to be done again.
    pub pending_users: Option<BTreeMap<TargetPath, String>>,
    /// Units that the last run could not bring up.
    #[serde(default, skip_serializing_if = "Failures::is_empty")]
    pub failed: Failures,
    /// The same of user managers, by user.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed_of_users: BTreeMap<String, Failures>,
}
