//! What rules of tmpfiles.d(5) made, and what they could not do: the part of the state that is about them. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::node::{Kind, Object};
use crate::tmpfiles::decide::TmpfilesPlan;

/// What is remembered of rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TmpfilesRecord {
    /// What rules of ours made, by path.
    pub made: BTreeMap<String, Made>,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Made {
    /// What it is; the content of a file does not matter.
    pub kind: Kind,
    /// Where the link that it replaced pointed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<String>,
    /// What it was under an earlier rule, while an activation that has begun replaces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Kind>,
}

impl Made {
    pub(crate) fn of(kind: &Kind, replaced: Option<String>) -> Self {
        let kind = match kind {
            Kind::File { .. } => Kind::File { content: None },
            other => other.clone(),
        };
        Self {
            kind,
            replaced,
            was: None,
        }
    }

    /// Resolves what an interrupted activation left open, by what stands there.
    pub(crate) fn settled(&self, now: Option<&Object>) -> Self {
        let earlier = self
            .was
            .as_ref()
            .filter(|was| now.is_some_and(|now| Self::of(&now.kind, None).kind == **was));
        Self {
            kind: earlier.unwrap_or(&self.kind).clone(),
            replaced: self.replaced.clone(),
            was: None,
        }
    }
}

/// Records what rules are about to make, beside what earlier ones made.
pub fn claim(record: &mut TmpfilesRecord, plan: &TmpfilesPlan) {
    for (path, made) in &plan.made {
        let undone = plan.undo.iter().find(|u| u.path == *path);
        let claimed = Made {
            was: undone.map(|u| u.made.kind.clone()),
            ..made.clone()
        };
        record.made.insert(path.clone(), claimed);
    }
}

/// Records what came of it: what could not be taken away is still ours, and what could not be done is still due.
pub fn commit(record: &mut TmpfilesRecord, plan: &TmpfilesPlan, applied: &Applied) {
    if !plan.considered {
        return;
    }
    record.made.clone_from(&plan.made);
    record.made.extend(applied.left.clone());
    record.failed.clone_from(&applied.problems);
}
