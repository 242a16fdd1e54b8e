//! Files of the store that someone changed or removed through a link of ours: what was written is kept, and the file is
//! put right.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Keep, KeepReason, Planner, node};
use crate::files::built::{Built, Damage};
use crate::model::conflict::Conflict;
use crate::model::in_etc;
use crate::model::names::TargetPath;
use crate::model::node::Node;
use crate::model::text::Text;

/// What is wrong with a file of the store, and what can put it right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damaged {
    /// What is wrong.
    pub damage: Damage,
    /// What it was when it was built, where that is known.
    pub built: Option<Built>,
    /// What can put it right, where anything can.
    pub means: Option<Means>,
}

/// What puts a file of the store right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Means {
    /// The original that a toplevel has of it once more.
    Original {
        /// The toplevel.
        toplevel: String,
    },
    /// `nix-store --repair-path`.
    Nix,
}

/// A file of the store that was changed through a link of ours, or is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Mend {
    /// The path to which the links lead.
    pub path: String,
    /// The links.
    #[serde(with = "in_etc")]
    #[schemars(with = "Vec<String>")]
    pub targets: Vec<TargetPath>,
    /// What is wrong.
    pub damage: Damage,
    /// What it was when it was built, where that is known.
    pub built: Option<Built>,
    /// What puts it right; none where that is not needed, and can't be had.
    pub means: Option<Means>,
    /// What was written is kept first.
    pub keep: Option<Keep>,
}

impl Planner<'_> {
    pub(super) fn plan_mends(&mut self, damaged: &BTreeMap<Text, Damaged>) {
        if damaged.is_empty() {
            return;
        }
        let mut links: BTreeMap<&str, Vec<&TargetPath>> = BTreeMap::new();
        let wanted = self.desired.iter().map(|(target, w)| (target, &w.node));
        let owned = self
            .record
            .entries
            .iter()
            .map(|(target, o)| (target, o.node()));
        let going = owned.filter(|(target, is)| {
            !self.desired.contains_key(*target) && node(self.seen, target) == *is
        });
        for (target, is) in wanted.chain(going) {
            if let Node::Link { to } = is
                && damaged.contains_key(to)
            {
                links.entry(to).or_default().push(target);
            }
        }
        for (path, targets) in links {
            let Some(damaged) = damaged.get(path) else {
                continue;
            };
            let first = targets[0].clone();
            let is_wanted = targets
                .iter()
                .any(|target| self.desired.contains_key(*target));
            let is_changed = matches!(damaged.damage, Damage::Changed { .. });
            if is_wanted && damaged.means.is_none() {
                self.plan
                    .conflicts
                    .push(beyond_repair(&first, path, damaged));
                continue;
            }
            if damaged.means.is_none() && !is_changed {
                continue;
            }
            let keep = is_changed.then(|| self.keep(&first, KeepReason::Drift));
            self.plan.mends.push(Mend {
                path: path.to_owned(),
                targets: targets.into_iter().cloned().collect(),
                damage: damaged.damage.clone(),
                built: damaged.built.clone(),
                means: damaged.means.clone(),
                keep,
            });
        }
    }
}

fn beyond_repair(target: &TargetPath, path: &str, damaged: &Damaged) -> Conflict {
    let cause = match damaged.damage {
        Damage::Missing => format!("points to {path}, which is missing in the store"),
        Damage::Changed { .. } => {
            format!("points to {path}, which has been changed since it was built")
        }
    };
    Conflict {
        subject: format!("/etc/{target}"),
        cause,
        remedy: format!(
            "the closure is incomplete: build or copy it again; if Nix has built it, `nix-store --repair-path {path}` or `nix-store --verify --check-contents --repair` repairs it"
        ),
    }
}
