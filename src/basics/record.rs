//! What is ours of the host's basics: what stands at each place, and the name of the running host. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::basics::decide::{BasicsPlan, Seen};
use crate::files::decide::{KeepReason, Verb};
use crate::model::names::{FileName, TargetPath};
use crate::model::node::Node;
use crate::store::backups::SavedEdit;
use crate::store::owned::{Claiming, Owned, Owns, Record};

/// What is ours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BasicsRecord {
    /// Files and links below `/etc`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub places: BTreeMap<TargetPath, OwnedPlace>,
    /// The name of the running host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<OwnedName>,
}

/// A file or link that is ours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OwnedPlace {
    /// What we put there; none where nothing of ours is, or will be.
    pub node: Owned<Option<Node>>,
    /// What stood there before.
    pub backup: Option<FileName>,
}

/// The name of the running host, which we have set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OwnedName {
    /// What we have set; none where it is not ours.
    pub name: Owned<Option<String>>,
    /// What it was before.
    pub before: String,
}

impl BasicsRecord {
    /// Whether nothing is ours.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Owns for BasicsRecord {
    fn is_begun(&self) -> bool {
        let is_begun = |name: &OwnedName| name.name.is_begun();
        !self.begun().is_empty() || self.name.as_ref().is_some_and(is_begun)
    }

    fn begun(&self) -> Vec<&TargetPath> {
        let begun = self.places.iter().filter(|(_, p)| p.node.is_begun());
        begun.map(|(target, _)| target).collect()
    }

    fn backups(&self) -> Vec<&FileName> {
        let places = self.places.values();
        places.filter_map(|p| p.backup.as_ref()).collect()
    }
}

impl Record for BasicsRecord {
    type Seen = Seen;
    type Plan = BasicsPlan;

    fn settle(&mut self, seen: &Seen) {
        self.places.retain(|target, place| {
            let now = seen.node(target);
            let backup = place.backup.as_ref();
            let before = backup.map_or(Some(&Node::Absent), |id| seen.backups.get(id));
            place.node.settle(|next| match next {
                Some(next) => now == next,
                None => Some(now) == before,
            });
            place.node.is.is_some()
        });
        if let Some(owned) = &mut self.name {
            owned.name.settle(|next| {
                let name = next.as_ref().unwrap_or(&owned.before);
                seen.name.as_ref() == Some(name)
            });
            if owned.name.is.is_none() {
                self.name = None;
            }
        }
    }

    fn claim(&mut self, plan: &BasicsPlan, claiming: &mut Claiming<'_>) {
        for change in &plan.changes {
            if let Some(keep) = &change.keep {
                claiming.backups.next += 1;
                if keep.reason == KeepReason::Drift {
                    claiming.backups.saved.push(SavedEdit {
                        target: change.target.clone(),
                        backup: keep.backup.clone(),
                        time: claiming.now,
                    });
                }
            }
            let place = self.places.entry(change.target.clone()).or_default();
            place.backup.clone_from(&change.backup);
            let stays = matches!(change.verb, Verb::Add | Verb::Change | Verb::Adopt);
            place.node.claim(stays.then(|| change.after.clone()));
        }
        if let Some(change) = &plan.name {
            let owned = self.name.get_or_insert_with(|| OwnedName {
                name: Owned::default(),
                before: change.from.clone(),
            });
            owned.name.claim(change.is_ours.then(|| change.to.clone()));
        }
    }

    fn commit(&mut self, _plan: &BasicsPlan) {
        self.places.retain(|_, place| {
            place.node.commit();
            place.node.is.is_some()
        });
        self.name = self.name.take().and_then(|mut owned| {
            owned.name.commit();
            owned.name.is.is_some().then_some(owned)
        });
    }
}
