//! What is owned of files of others: our lines, and how they came into them.

use serde::{Deserialize, Serialize};

/// Lines that are ours in a file of others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OwnedBlock {
    /// What the lines are, or none; more than one while an activation changes them.
    pub texts: Vec<Option<String>>,
    /// How they came into the file.
    pub origin: Origin,
}

/// What it takes to give a file back as it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Origin {
    /// There was no such file.
    pub made: bool,
    /// Its last line had no end.
    pub joined: bool,
}
