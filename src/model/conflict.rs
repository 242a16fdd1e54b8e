//! What forbids an activation, as data: all of it is listed at once, before anything is touched.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that an activation must not or can not overwrite.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Conflict {
    /// What it is about: a path, an account, an option.
    pub subject: String,
    /// What is wrong.
    pub cause: String,
    /// What to do about it.
    pub remedy: String,
}
