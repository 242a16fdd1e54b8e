//! What the active configuration only describes: it was there already, as wanted, and stays with those who have made it.
//! Whether it is still so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;

use crate::accounts;
use crate::accounts::apply::Overview;
use crate::activation::observe::{self, Observed};
use crate::activation::plan::Goal;
use crate::activation::prepare::{Sources, desired};
use crate::activation::state::State;
use crate::files;
use crate::files::wanted::Desired;
use crate::host::fs::Root;
use crate::model::manifest::Manifest;
use crate::model::names::TargetPath;
use crate::model::node::Node;
use crate::store::kind::{Change, Planned};
use crate::store::toplevel::read_manifest;

/// What is described.
#[derive(Debug, Default)]
pub(crate) struct Described {
    /// How many files.
    pub files: usize,
    /// What is not as described.
    pub changed: BTreeMap<TargetPath, Changed>,
}

/// Something that is not as described.
#[derive(Debug)]
pub(crate) struct Changed {
    /// What stands there.
    pub now: Node,
    /// What is wanted there, where that is a file.
    pub wanted: Option<Node>,
}

/// Reads the manifest of what is active; none where nothing is.
///
/// # Errors
/// When it can't be read.
pub(crate) fn read_active(root: &Root, state: &State) -> Result<Option<Manifest>> {
    let Some(active) = &state.active else {
        return Ok(None);
    };
    let path = active.toplevel.as_str();
    let toplevel = root.show(Path::new(path.trim_start_matches('/')));
    read_manifest(&toplevel)
        .or_else(|_| read_manifest(Path::new(path)))
        .map(Some)
}

/// Finds what is described, and what of it is not as described: what a switch to the active configuration would change, and
/// nobody has changed of what is ours.
///
/// # Errors
/// When the host, or a file of the configuration, can't be read.
pub(crate) fn find(
    root: &Root,
    manifest: &Manifest,
    desired: &Desired,
    observed: &Observed,
) -> Result<Described> {
    let state = &observed.state;
    // What a stopped run has left undone is no edit.
    let Some(active) = (state.active.as_ref()).filter(|_| observed.interrupted.is_none()) else {
        return Ok(Described::default());
    };
    let ours = &state.files.entries;
    let sources = Sources {
        root,
        manifest: Some(manifest),
        desired,
        observed,
        vendors: &files::observe::read_vendors(root, desired, &state.files)?,
    };
    let mut conflicts = Vec::new();
    let owners = accounts::apply::read_owners(root)?;
    let goal = Goal::Activate(active.toplevel.clone());
    let plan = sources.plan_files(&goal, &owners, &mut conflicts)?;
    let others = sources.plan_basics(&plan, &[], &mut conflicts)?;
    let of_files = plan
        .changes()
        .filter(|change| change.verb.tally().is_some());
    let of_files = of_files.map(|change| (&change.target, Some(change.after.clone())));
    let of_others = others.changes().into_iter().filter_map(Change::touch);
    let of_others = of_others.map(|touch| (touch.target, None));
    let subjects: BTreeSet<String> = conflicts.into_iter().map(|c| c.subject).collect();
    let refused = desired
        .keys()
        .filter(|target| !subjects.is_empty() && subjects.contains(&format!("/etc/{target}")));
    let refused = refused.map(|target| (target, None));
    let mut changed = BTreeMap::new();
    for (target, wanted) in of_files.chain(of_others).chain(refused) {
        if !ours.contains_key(target) {
            let now = root.node(&target.in_etc())?;
            changed.insert(target.clone(), Changed { now, wanted });
        }
    }
    Ok(Described {
        files: desired.keys().filter(|t| !ours.contains_key(*t)).count(),
        changed,
    })
}

/// What is seen of a host.
pub(crate) struct Sight {
    pub observed: Observed,
    pub described: Described,
    pub accounts: Overview,
}

/// Looks at a host, with what its active configuration wants.
///
/// # Errors
/// When the state, or something of the host, can't be read.
pub(crate) fn look(root: &Root) -> Result<Sight> {
    let state = State::read(root)?;
    let (manifest, problem) = told(read_active(root, &state));
    let wants = |manifest| desired(root, &state, manifest);
    let (desired, more) = told(manifest.as_ref().map(wants).transpose());
    let nothing = Desired::new();
    let observed = observe::read_host(root, state, desired.as_ref().unwrap_or(&nothing))?;
    let both = manifest.as_ref().zip(desired.as_ref());
    let described = both.map(|(m, desired)| find(root, m, desired, &observed));
    let (described, others) = told(described.transpose());
    let described = described.unwrap_or_default();
    // In another root, the store of what it will boot may not be complete.
    let others = more.into_iter().chain(others).filter(|_| root.is_live());
    let problems: Vec<String> = problem.into_iter().chain(others).collect();
    let mut accounts = read_accounts(root, &observed.state, manifest.as_ref())?;
    accounts.warnings.extend(problems);
    Ok(Sight {
        observed,
        described,
        accounts,
    })
}

/// Gives what was read, or what to tell of it: the rest of the status is worth having without it.
fn told<T>(read: Result<Option<T>>) -> (Option<T>, Option<String>) {
    match read {
        Ok(read) => (read, None),
        Err(error) => (
            None,
            Some(format!(
                "what the configuration wants is not known: {error:#}"
            )),
        ),
    }
}

/// What is told is what holds now, and not what the last run found.
fn read_accounts(root: &Root, state: &State, manifest: Option<&Manifest>) -> Result<Overview> {
    let wanted = manifest.map(|m| &m.accounts);
    accounts::apply::read_overview(root, wanted, state.accounts)
}
