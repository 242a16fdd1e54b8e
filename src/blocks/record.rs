//! What is owned of files of others: our lines, and how they came into them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::decide::{BlockChange, Seen, lines_in};
use crate::model::names::TargetPath;
use crate::store::backups::SavedEdit;
use crate::store::owned::{Claiming, Owned, Owns, Record};

/// Lines of ours in files of others, by file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlocksRecord(pub BTreeMap<TargetPath, OwnedBlock>);

/// Lines that are ours in a file of others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OwnedBlock {
    /// What the lines are, or none.
    pub text: Owned<Option<String>>,
    /// How they came into the file.
    pub origin: Origin,
}

/// What it takes to give a file back as it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Origin {
    /// There was no such file.
    pub made: bool,
    /// Its last line had no end.
    pub joined: bool,
}

impl Owns for BlocksRecord {
    fn is_begun(&self) -> bool {
        self.0.values().any(|block| block.text.is_begun())
    }

    fn begun(&self) -> Vec<&TargetPath> {
        let begun = self.0.iter().filter(|(_, block)| block.text.is_begun());
        begun.map(|(target, _)| target).collect()
    }
}

impl Record for BlocksRecord {
    type Seen = BTreeMap<TargetPath, Seen>;
    type Plan = [BlockChange];

    fn settle(&mut self, seen: &Self::Seen) {
        for (target, owned) in &mut self.0 {
            let now = seen.get(target).map(lines_in);
            owned
                .text
                .settle(|next| now.as_ref() == Some(&Ok(next.clone())));
        }
    }

    fn claim(&mut self, changes: &[BlockChange], claiming: &mut Claiming<'_>) {
        for change in changes {
            if let Some(keep) = &change.keep {
                claiming.backups.next += 1;
                claiming.backups.saved.push(SavedEdit {
                    target: change.target.clone(),
                    backup: keep.backup.clone(),
                    time: claiming.now,
                });
            }
            let owned = self.0.entry(change.target.clone());
            let owned = owned.or_insert_with(|| OwnedBlock {
                text: Owned::default(),
                origin: change.origin,
            });
            owned.origin = change.origin;
            owned.text.claim(change.text.clone());
        }
    }

    fn commit(&mut self, changes: &[BlockChange]) {
        for change in changes {
            if let Some(owned) = self.0.get_mut(&change.target) {
                owned.text.commit();
                if owned.text.is.is_none() {
                    self.0.remove(&change.target);
                }
            }
        }
    }
}
