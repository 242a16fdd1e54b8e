//! Folders of ours whose mode or owner someone has changed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Planner, node};
use crate::model::in_etc;
use crate::model::names::TargetPath;
use crate::model::node::Node;

/// The mode of folders that are made for entries.
pub(crate) const FOLDER_MODE: u32 = 0o755;

/// Who may do what with a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Access {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Access {
    /// Returns it for people.
    #[must_use]
    pub(crate) fn text(self) -> String {
        let Self { mode, uid, gid } = self;
        format!("mode {mode:04o}, owner {uid}:{gid}")
    }
}

/// A folder of ours that gets back the mode and the owner with which it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FolderMend {
    /// Where, below `/etc`.
    #[serde(with = "in_etc")]
    #[schemars(with = "String")]
    pub target: TargetPath,
    /// What someone has made of it.
    pub before: Access,
    /// What it gets back.
    pub after: Access,
}

impl Planner<'_> {
    /// Chooses the folders that are put right: those that stay.
    pub(super) fn plan_folder_mends(&mut self) {
        let changed = self.seen.changed_folders.iter();
        let stay = changed.filter(|(folder, _)| {
            self.needed.contains(*folder) && node(self.seen, folder) == &Node::Folder
        });
        self.plan.folder_mends = stay
            .map(|(folder, (before, after))| FolderMend {
                target: folder.clone(),
                before: *before,
                after: *after,
            })
            .collect();
    }
}
