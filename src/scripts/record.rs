//! Which activation scripts have run: what they do is their own, so that nothing is claimed or given back. Pure.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::names::AbsolutePath;

/// Which scripts have run, and for which configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ScriptRecord {
    /// The toplevel that they ran for; none when there are no scripts.
    pub toplevel: Option<AbsolutePath>,
    /// The scripts, by name.
    pub scripts: BTreeMap<String, KnownScript>,
}

impl ScriptRecord {
    /// Says whether no script is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Gives the names of those that have not ended well.
    pub fn unfinished(&self) -> impl Iterator<Item = &String> {
        let left = self.scripts.iter().filter(|(_, known)| !known.finished);
        left.map(|(name, _)| name)
    }

    /// Notes that a script has ended well.
    pub fn finish(&mut self, name: &str) {
        if let Some(known) = self.scripts.get_mut(name) {
            known.finished = true;
        }
    }

    /// Takes over what the journal of an interrupted activation says: what has ended well in this boot. What ended
    /// before a reboot may be lost, with `/run` or with what was not on the disk yet.
    pub fn settle(&mut self, ended_well: &BTreeMap<String, AbsolutePath>, is_same_boot: bool) {
        for (name, known) in &mut self.scripts {
            let ended = known.finished || ended_well.get(name) == Some(&known.script);
            known.finished = ended && is_same_boot;
        }
    }
}

/// A script that an activation was to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KnownScript {
    /// The executable.
    pub script: AbsolutePath,
    /// Whether it has ended well.
    pub finished: bool,
}
