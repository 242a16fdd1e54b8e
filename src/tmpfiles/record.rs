//! What rules of tmpfiles.d(5) made, and what they could not do: the part of the state that is about them. Pure.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::node::{Kind, Object};
use crate::store::owned::{Claiming, Owned, Owns, Record};
use crate::tmpfiles::decide::TmpfilesPlan;

/// What is remembered of rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TmpfilesRecord {
    /// What rules of ours made, by path.
    pub made: BTreeMap<String, Owned<Option<Made>>>,
    /// What the last run could not do, in sentences; the next one tries again.
    pub failed: Vec<String>,
}

/// What came of applying rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// What is not as planned, in sentences.
    pub problems: Vec<String>,
    /// What should have gone with its rule and is still there.
    pub left: BTreeMap<String, Made>,
}

/// What a rule of ours made, for the day when the rule goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Made {
    /// What it is; the content of a file does not matter.
    pub kind: Kind,
    /// Where the link that it replaced pointed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<String>,
}

impl Made {
    pub(crate) fn of(kind: &Kind, replaced: Option<String>) -> Self {
        let kind = match kind {
            Kind::File { .. } => Kind::File { content: None },
            other => other.clone(),
        };
        Self { kind, replaced }
    }

    /// Whether what stands there is like it.
    fn is_there(&self, now: Option<&Object>) -> bool {
        now.is_some_and(|now| Self::of(&now.kind, None).kind == self.kind)
    }
}

/// Resolves what an interrupted activation left open about one path, by what stands there.
pub(crate) fn settle(owned: &mut Owned<Option<Made>>, now: Option<&Object>) {
    // Something that is neither may be what a rule has made in between: it is looked at before it is taken away.
    let is_as_before = match &owned.is {
        Some(made) => made.is_there(now),
        None => now.is_none(),
    };
    owned.settle(|next| match next {
        Some(_) => !is_as_before,
        None => now.is_none(),
    });
}

impl Owns for TmpfilesRecord {
    fn is_begun(&self) -> bool {
        self.made.values().any(Owned::is_begun)
    }
}

impl Record for TmpfilesRecord {
    type Seen = BTreeMap<String, Option<Object>>;
    type Plan = TmpfilesPlan;

    fn settle(&mut self, seen: &Self::Seen) {
        self.made.retain(|path, owned| {
            settle(owned, seen.get(path).and_then(Option::as_ref));
            owned.is.is_some()
        });
    }

    fn claim(&mut self, plan: &TmpfilesPlan, _claiming: &mut Claiming<'_>) {
        for undone in &plan.undo {
            if let Some(owned) = self.made.get_mut(&undone.path) {
                owned.claim(None);
            }
        }
        for (path, made) in &plan.made {
            let owned = self.made.entry(path.clone()).or_default();
            owned.claim(Some(made.clone()));
        }
    }

    fn commit(&mut self, plan: &TmpfilesPlan) {
        if plan.considered {
            let made = plan.made.iter();
            let owned =
                |(path, made): (&String, &Made)| (path.clone(), Owned::at_rest(Some(made.clone())));
            self.made = made.map(owned).collect();
        }
    }
}

impl TmpfilesRecord {
    /// Notes what shows only when rules are applied: what could not be taken away is still ours, and what could not be
    /// done is still due.
    pub fn note(&mut self, applied: &Applied) {
        let left = applied.left.iter();
        self.made
            .extend(left.map(|(path, made)| (path.clone(), Owned::at_rest(Some(made.clone())))));
        self.failed.clone_from(&applied.problems);
    }
}
