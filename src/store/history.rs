//! What became of the generations: where each came from, when it was activated, and how that ended. For people: nothing
//! is decided by it but where `undo` goes.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::host::fs::{Content, NewFile, Root};
use crate::model::names::AbsolutePath;
use crate::store::{self, checked};

/// Where it is, relative to the root.
pub(crate) const FILE: &str = "var/lib/system-manager/history.json";

const VERSION: u32 = 1;

/// How many activations are remembered.
const REMEMBERED: usize = 200;

/// Where a configuration came from, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Origin {
    /// The file or flake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The revision that its folder had in Git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// What `--message` said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// An activation that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Past {
    /// When it ended, in seconds since 1970.
    pub time: u64,
    /// What was activated; none when everything was taken away.
    pub toplevel: Option<AbsolutePath>,
    /// What failed, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
    /// Health checks that failed, by name, with why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unhealthy: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Registered {
    toplevel: AbsolutePath,
    origin: Origin,
}

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct History {
    generations: BTreeMap<u64, Registered>,
    activations: Vec<Past>,
}

impl History {
    /// Reads it. What can't be read is told, and is as if it had never been: nothing depends on it.
    #[must_use]
    pub(crate) fn read(root: &Root) -> Self {
        let inner = || -> Result<Self> {
            let Some(text) = root.read(Path::new(FILE))? else {
                return Ok(Self::default());
            };
            checked::parse(VERSION, &text)?.record()
        };
        inner().unwrap_or_else(|error| {
            let file = root.show(Path::new(FILE));
            tracing::warn!(
                "{} can't be read, so the history of the generations is unknown: {error:#}",
                file.display()
            );
            Self::default()
        })
    }

    fn write(&self, root: &Root) -> Result<()> {
        let text = checked::render(VERSION, self)?;
        store::make_folder(root)?;
        let new = NewFile::of_root(Content::Bytes(&text), 0o644);
        root.write_file(Path::new(FILE), &new)?;
        root.sync()
    }

    /// Returns where a generation came from.
    #[must_use]
    pub(crate) fn origin(&self, number: u64, toplevel: &AbsolutePath) -> Option<&Origin> {
        let registered = self.generations.get(&number);
        // A number is given again when the newest generation was removed.
        let same = registered.filter(|r| r.toplevel == *toplevel);
        same.map(|r| &r.origin)
    }

    /// Returns the last activation of a toplevel.
    #[must_use]
    pub(crate) fn last(&self, toplevel: &AbsolutePath) -> Option<&Past> {
        let mut all = self.activations.iter().rev();
        all.find(|past| past.toplevel.as_ref() == Some(toplevel))
    }

    /// Returns what was active at a time.
    #[must_use]
    pub(crate) fn active_at(&self, time: u64) -> Option<&AbsolutePath> {
        let mut all = self.activations.iter().rev();
        all.find(|past| past.time <= time)?.toplevel.as_ref()
    }

    /// Returns the activation before which `active` came into force: what was active before, which may be nothing.
    #[must_use]
    pub(crate) fn before(&self, active: Option<&AbsolutePath>) -> Option<&Past> {
        let mut all = self.activations.iter().rev();
        let is_now = |past: &&Past| past.toplevel.as_ref() == active;
        all.find(is_now)?;
        all.find(|past| !is_now(past))
    }
}

/// Remembers where a generation came from. A failure is told and changes nothing else.
pub(crate) fn note_generation(root: &Root, number: u64, toplevel: &AbsolutePath, origin: &Origin) {
    note(root, |history| {
        let toplevel = toplevel.clone();
        let origin = origin.clone();
        let registered = Registered { toplevel, origin };
        history.generations.insert(number, registered);
    });
}

/// Remembers what health checks say of the last activation of a toplevel, where a later run had nothing to do but them. A
/// failure is told and changes nothing else.
pub(crate) fn note_health(
    root: &Root,
    toplevel: &AbsolutePath,
    failed: Vec<String>,
    unhealthy: BTreeMap<String, String>,
) {
    let known = History::read(root);
    let is_known = |past: &Past| past.unhealthy == unhealthy;
    if known.last(toplevel).is_none_or(is_known) {
        return;
    }
    note(root, |history| {
        let mut all = history.activations.iter_mut().rev();
        let last = all.find(|past| past.toplevel.as_ref() == Some(toplevel));
        if let Some(last) = last {
            last.failed = failed;
            last.unhealthy = unhealthy;
        }
    });
}

/// Remembers an activation. A failure is told and changes nothing else.
pub(crate) fn note_activation(root: &Root, past: Past) {
    note(root, |history| {
        history.activations.push(past);
        let many = history.activations.len().saturating_sub(REMEMBERED);
        history.activations.drain(..many);
    });
}

/// Forgets generations.
pub(crate) fn forget(root: &Root, numbers: &[u64]) {
    note(root, |history| {
        history.generations.retain(|n, _| !numbers.contains(n));
    });
}

fn note(root: &Root, change: impl FnOnce(&mut History)) {
    let mut history = History::read(root);
    let before = history.clone();
    change(&mut history);
    if history == before {
        return;
    }
    let written = history.write(root).context("writing the history");
    if let Err(error) = written {
        tracing::warn!("{error:#}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> AbsolutePath {
        format!("/nix/store/{name}").parse().unwrap()
    }

    fn past(time: u64, name: &str) -> Past {
        Past {
            time,
            toplevel: (!name.is_empty()).then(|| path(name)),
            failed: Vec::new(),
            unhealthy: BTreeMap::new(),
        }
    }

    #[test]
    fn tells_what_was_before() {
        let history = History {
            activations: vec![past(1, "a"), past(2, "b"), past(3, "b"), past(4, "")],
            ..History::default()
        };
        let before = |name| {
            let active = Some(path(name));
            let past = history.before(active.as_ref())?;
            Some(past.toplevel.clone())
        };
        assert_eq!(before("b"), Some(Some(path("a"))));
        assert_eq!(before("a"), None, "nothing was before the first one");
        assert_eq!(before("never"), None);
        let nothing = history.before(None).unwrap();
        assert_eq!(nothing.toplevel, Some(path("b")));
        assert_eq!(history.active_at(0), None);
        assert_eq!(history.active_at(3), Some(&path("b")));
        assert_eq!(history.active_at(9), None);
        assert_eq!(history.last(&path("b")).unwrap().time, 3);
    }
}
