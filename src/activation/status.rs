//! What is managed, what was changed by hand, what is unfinished.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use crate::accounts::decide::Drift as AccountDrift;
use crate::activation::described::{self, Changed};
use crate::activation::ephemeral;
use crate::activation::journal::Interrupted;
use crate::activation::state::State;
use crate::activation::status_units::{
    Timer, read_failed, read_failures, read_left, read_timers, running_only,
};
use crate::basics::decide::NameChange;
use crate::files::built::Damage;
use crate::files::decide::{Access, Beside, Seen};
use crate::files::record::FilesRecord;
use crate::files::wanted::Desired;
use crate::host::fs::Root;
use crate::host::kernel;
use crate::model::in_etc;
use crate::model::names::{AbsolutePath, FileName, TargetPath};
use crate::model::node::Node;
use crate::model::style::{count, joined};
use crate::store::backups::SavedEdit;
use crate::store::history::History;
use crate::store::lock;
use crate::units::decide::Seeds;
use crate::{accounts, basics, blocks, files, store, tmpfiles, units};

/// The version of the format of `status --json`.
pub(crate) const VERSION: u32 = 1;

/// How a managed file differs from what was put there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Drift {
    /// It is gone.
    Removed,
    /// It is something else.
    Changed,
    /// It has another mode or owner.
    Access,
    /// The file of the store to which it leads is gone.
    RemovedInStore,
    /// The file of the store to which it leads is not what was built.
    ChangedInStore,
}

impl Drift {
    fn by_hand(is_gone: bool) -> Self {
        if is_gone {
            Self::Removed
        } else {
            Self::Changed
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Removed => "removed by hand",
            Self::Changed => "changed by hand",
            Self::Access => "given another mode or owner by hand",
            Self::RemovedInStore => "removed in the store, through its link",
            Self::ChangedInStore => "changed in the store, through its link",
        }
    }
}

/// A hand-made change of a managed file that was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeptEdit {
    /// Where it stood.
    #[serde(with = "in_etc")]
    #[schemars(with = "String")]
    pub target: TargetPath,
    /// Its name in the folder of backups.
    pub backup: FileName,
    /// When it was saved, in seconds since 1970.
    pub time: u64,
}

impl KeptEdit {
    fn all(saved: Vec<SavedEdit>) -> Vec<Self> {
        let saved = saved.into_iter();
        saved
            .map(|edit| Self {
                target: edit.target,
                backup: edit.backup,
                time: edit.time,
            })
            .collect()
    }
}

/// The status of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Status {
    /// Format version.
    pub version: u32,
    /// The active toplevel.
    pub active: Option<AbsolutePath>,
    /// Its generation, when it is registered.
    pub generation: Option<u64>,
    /// When it was activated, in seconds since 1970; none where that is not known.
    pub activated: Option<u64>,
    /// Whether numtide/system-manager manages this host still; the next activation takes over what it has placed.
    pub taken_over_next: bool,
    /// Whether what is active is of this boot only.
    pub ephemeral: bool,
    /// Whether files were placed only, so that the next boot does what is pending.
    pub waits_for_boot: bool,
    /// How many files below `/etc` are managed.
    pub files: usize,
    /// How many of them are unit files.
    pub units: usize,
    /// In how many files of others there are lines of ours.
    pub lines: usize,
    /// Timers of ours, by name.
    pub timers: Vec<Timer>,
    /// How many bytes are free where the store is; none where there is none.
    pub store_free: Option<u64>,
    /// Units of ours that are in the failed state now.
    pub failed: BTreeSet<String>,
    /// Units that the last run could not bring up and nobody has since, with why; the next run tries again.
    pub not_brought_up: BTreeMap<String, String>,
    /// The same of user managers, by user, as the last run left it.
    pub not_brought_up_for_users: BTreeMap<String, BTreeMap<String, String>>,
    /// Health checks that failed after the last activation, by name, with why.
    pub unhealthy: BTreeMap<String, String>,
    /// Whether user managers could not be switched; the next run tries again.
    pub user_managers_left: bool,
    /// Files that were changed or removed by hand, in their place or in the store.
    #[serde(serialize_with = "in_etc::serialize")]
    #[schemars(with = "BTreeMap<String, Drift>")]
    pub drift: BTreeMap<TargetPath, Drift>,
    /// How many files are described that others have made; they stay theirs.
    pub described: usize,
    /// What of these is not as described any more; the next switch puts it right, or refuses to.
    #[serde(serialize_with = "in_etc::serialize")]
    #[schemars(with = "BTreeMap<String, Drift>")]
    pub described_drift: BTreeMap<TargetPath, Drift>,
    /// Folders of ours whose mode or owner someone has changed, as they are now.
    #[serde(serialize_with = "in_etc::serialize")]
    #[schemars(with = "BTreeMap<String, Access>")]
    pub folder_drift: BTreeMap<TargetPath, Access>,
    /// Files of others in which our lines were changed or removed by hand.
    #[serde(serialize_with = "in_etc::serialize")]
    #[schemars(with = "BTreeMap<String, Drift>")]
    pub block_drift: BTreeMap<TargetPath, Drift>,
    /// Places of the host's name, time zone, locale and keyboard that were changed or removed by hand.
    #[serde(serialize_with = "in_etc::serialize")]
    #[schemars(with = "BTreeMap<String, Drift>")]
    pub basics_drift: BTreeMap<TargetPath, Drift>,
    /// The name that the running host was given by hand, and the one that it is to have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_drift: Option<NameChange>,
    /// How many users and groups are managed.
    pub accounts: usize,
    /// What is not as the configuration says, and why.
    pub warnings: Vec<String>,
    /// Fields of accounts that were changed by hand.
    pub account_drift: Vec<AccountDrift>,
    /// Foreign files that are backed up, by target.
    #[serde(serialize_with = "in_etc::serialize")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub backups: BTreeMap<TargetPath, String>,
    /// What package managers have left beside managed files.
    pub beside: Vec<Beside>,
    /// Hand-made changes that were kept.
    pub saved: Vec<KeptEdit>,
    /// Who is activating right now.
    pub running: Option<String>,
    /// What an interrupted activation was doing.
    pub interrupted: Option<String>,
    /// Unit actions that are left for the next run.
    pub pending: Vec<String>,
    /// What tmpfiles rules could not do; the next run tries again.
    pub tmpfiles: Vec<String>,
    /// What stands no more as tmpfiles rules have made it, with what puts it right: they are applied when they change.
    pub tmpfiles_drift: Vec<String>,
    /// Activation scripts that have not ended well; the next run does them again.
    pub unfinished_scripts: Vec<String>,
}

impl Status {
    /// Whether somebody should look: something failed, was changed by hand, or is not finished.
    #[must_use]
    pub(crate) fn needs_attention(&self) -> bool {
        // Each is named, so that a new one can't be overlooked.
        let Self {
            // What there is, and how the host stands.
            version: _,
            active: _,
            generation: _,
            activated: _,
            taken_over_next: _,
            ephemeral: _,
            waits_for_boot: _,
            files: _,
            units: _,
            lines: _,
            described: _,
            timers: _,
            store_free: _,
            accounts: _,
            backups: _,
            beside: _,
            saved: _,
            running: _,
            // What somebody should look at.
            failed,
            not_brought_up,
            not_brought_up_for_users,
            unhealthy,
            user_managers_left,
            drift,
            described_drift,
            folder_drift,
            block_drift,
            basics_drift,
            name_drift,
            warnings,
            account_drift,
            interrupted,
            pending,
            tmpfiles,
            tmpfiles_drift,
            unfinished_scripts,
        } = self;
        let lists = [
            warnings,
            pending,
            tmpfiles,
            tmpfiles_drift,
            unfinished_scripts,
        ];
        let is_well = failed.is_empty()
            && not_brought_up.is_empty()
            && not_brought_up_for_users.is_empty()
            && unhealthy.is_empty()
            && !user_managers_left
            && drift.is_empty()
            && described_drift.is_empty()
            && folder_drift.is_empty()
            && block_drift.is_empty()
            && basics_drift.is_empty()
            && name_drift.is_none()
            && account_drift.is_empty()
            && interrupted.is_none()
            && lists.into_iter().all(Vec::is_empty);
        !is_well
    }
}

/// Reads the status of a host.
///
/// # Errors
/// When the state or a managed file can't be read.
pub(crate) fn read(root: &Root) -> Result<Status> {
    let running = lock::holder(root)?;
    let sight = described::look(root)?;
    let (observed, accounts) = (sight.observed, sight.accounts);
    let state = observed.state;
    let drift = find_drift(&observed.seen.files, &state.files)?;
    let block_drift = find_block_drift(&state, &observed.seen.blocks);
    let vendors = files::vendor::read_conffiles(root, state.files.entries.keys())?;
    let beside = files::observe::find_beside(root, &Desired::new(), &state.files, &vendors)?;
    let (places, name_drift) = basics::decide::find_drift(&state.basics, &observed.seen.basics);
    let places = by_hand(places);
    let described_drift = described_drift(sight.described.changed, &places);
    let tmpfiles_drift = find_tmpfiles_drift(root, &state);
    let units = names(&state.files, unit_name);
    let acted_on = names(&state.files, extended_unit);
    let active = state.active.map(|a| a.toplevel);
    let history = History::read(root);
    let past = active.as_ref().and_then(|active| history.last(active));
    let generation = generation_of(root, active.as_ref())?;
    let left = read_left(root, state.units.pending);
    let pending = pending(observed.interrupted.as_ref(), &left);
    let interrupted = observed.interrupted.map(|i| i.purpose);
    Ok(Status {
        version: VERSION,
        active,
        generation,
        activated: past.map(|past| past.time),
        timers: read_timers(root, &units),
        store_free: store_free(root)?,
        lines: state.blocks.0.len(),
        taken_over_next: observed.takeover.is_some(),
        ephemeral: ephemeral::is_in_force(root)?,
        waits_for_boot: state.units.until_boot_after.is_some(),
        files: state.files.entries.len(),
        units: units.len(),
        failed: read_failed(root, &acted_on),
        not_brought_up: read_failures(root, state.units.failed),
        not_brought_up_for_users: running_only(root, state.units.failed_of_users)?,
        unhealthy: past.map_or_else(BTreeMap::new, |past| past.unhealthy.clone()),
        user_managers_left: state.units.pending_users.is_some(),
        accounts: accounts.managed,
        warnings: accounts.warnings,
        account_drift: accounts.drift,
        block_drift,
        basics_drift: places,
        name_drift,
        drift,
        described: sight.described.files,
        described_drift,
        folder_drift: folder_drift(&observed.seen.files),
        backups: backups_of(&state.files),
        beside,
        saved: KeptEdit::all(state.backups.saved),
        interrupted: interrupted.filter(|_| running.is_none()),
        running,
        pending,
        tmpfiles: state.tmpfiles.failed,
        tmpfiles_drift,
        unfinished_scripts: state.scripts.unfinished().cloned().collect(),
    })
}

/// Returns what files of ours are called as units.
fn names<'a>(
    files: &'a FilesRecord,
    name: impl Fn(&'a TargetPath) -> Option<&'a str>,
) -> BTreeSet<&'a str> {
    files.entries.keys().filter_map(name).collect()
}

/// Returns what to tell of units of ours that have failed, where nothing else asks systemd for them.
pub(crate) fn failed_since(root: &Root, files: &FilesRecord) -> Option<String> {
    let units = names(files, extended_unit);
    let failed = (!units.is_empty()).then(|| read_failed(root, &units))?;
    let first = failed.first()?;
    let have = if failed.len() == 1 { "has" } else { "have" };
    Some(format!(
        "{} of the configuration {have} failed since: {}; see `systemctl status {first}`",
        count(failed.len(), "unit"),
        joined(&failed)
    ))
}

/// Tells of places that were changed or removed that it was by hand.
fn by_hand(places: BTreeMap<TargetPath, bool>) -> BTreeMap<TargetPath, Drift> {
    let places = places.into_iter();
    places
        .map(|(target, is_gone)| (target, Drift::by_hand(is_gone)))
        .collect()
}

/// Finds the number of the active toplevel.
fn generation_of(root: &Root, active: Option<&AbsolutePath>) -> Result<Option<u64>> {
    let all = store::generations::read(root)?.into_iter();
    let same = all.filter(|g| Some(&g.toplevel) == active);
    Ok(same.max_by_key(|g| (g.current, g.number)).map(|g| g.number))
}

fn find_tmpfiles_drift(root: &Root, state: &State) -> Vec<String> {
    accounts::apply::read_owners(root)
        .and_then(|owners| {
            tmpfiles::apply::read_drift(root, &state.files, &state.tmpfiles, &owners)
        })
        // The rest of the status is worth having without it.
        .unwrap_or_else(|error| vec![format!("what tmpfiles rules made is not known: {error:#}")])
}

fn find_block_drift(
    state: &State,
    seen: &BTreeMap<TargetPath, blocks::decide::Seen>,
) -> BTreeMap<TargetPath, Drift> {
    let found = blocks::decide::find_drift(&state.blocks, seen).into_iter();
    found
        .map(|(target, is_gone)| (target, Drift::by_hand(is_gone)))
        .collect()
}

fn folder_drift(seen: &Seen) -> BTreeMap<TargetPath, Access> {
    let changed = seen.changed_folders.iter();
    changed
        .map(|(folder, (now, _))| (folder.clone(), *now))
        .collect()
}

fn backups_of(record: &FilesRecord) -> BTreeMap<TargetPath, String> {
    let kept = record.entries.iter();
    kept.filter_map(|(target, file)| Some((target.clone(), file.backup.as_ref()?.to_string())))
        .collect()
}

/// Returns the units of which something is left to be done.
fn pending(interrupted: Option<&Interrupted>, pending: &Seeds) -> Vec<String> {
    let due = interrupted.map(|interrupted| &interrupted.due);
    let units: BTreeSet<&String> = due
        .into_iter()
        .chain([pending])
        .flat_map(Seeds::units)
        .collect();
    units.into_iter().cloned().collect()
}

/// What others have made and is not as described, but for what is told of what is ours.
fn described_drift(
    changed: BTreeMap<TargetPath, Changed>,
    ours: &BTreeMap<TargetPath, Drift>,
) -> BTreeMap<TargetPath, Drift> {
    let changed = changed.into_iter();
    let others = changed.filter(|(target, _)| !ours.contains_key(target));
    let told = others.map(|(target, Changed { now, wanted })| {
        let has_content = wanted.is_some_and(|wanted| now.has_same_content(&wanted));
        let drift = if has_content {
            Drift::Access
        } else {
            Drift::by_hand(now == Node::Absent)
        };
        (target, drift)
    });
    told.collect()
}

/// Finds the managed files that are not as they were left, or lead to what is not as it was built.
fn find_drift(seen: &Seen, record: &FilesRecord) -> Result<BTreeMap<TargetPath, Drift>> {
    let damaged = files::observe::look_at_store(&BTreeMap::new(), record, &[])?;
    let mut drift = BTreeMap::new();
    for (target, file) in &record.entries {
        let found = match seen.nodes.get(target) {
            Some(now) if now == file.node() => {
                let Node::Link { to } = now else { continue };
                match damaged.get(to).map(|found| &found.damage) {
                    None => continue,
                    Some(Damage::Missing) => Drift::RemovedInStore,
                    Some(Damage::Changed { .. }) => Drift::ChangedInStore,
                }
            }
            Some(Node::Absent) | None => Drift::Removed,
            Some(now) if now.has_same_content(file.node()) => Drift::Access,
            Some(_) => Drift::Changed,
        };
        drift.insert(target.clone(), found);
    }
    Ok(drift)
}

/// Gives the name of the unit whose file a target is.
fn unit_name(target: &TargetPath) -> Option<&str> {
    let name = target.as_str().strip_prefix(units::read::SYSTEM)?;
    name.strip_prefix('/').filter(|name| !name.contains('/'))
}

/// Returns the name of the unit that a target defines or adds to.
fn extended_unit(target: &TargetPath) -> Option<&str> {
    let below = target.as_str().strip_prefix(units::read::SYSTEM)?;
    let below = below.strip_prefix('/')?;
    match below.split_once('/') {
        None => Some(below),
        Some((folder, _)) => folder.strip_suffix(".d"),
    }
}

/// How much is free where the store is.
fn store_free(root: &Root) -> Result<Option<u64>> {
    let store = Path::new(crate::closure::STORE);
    if root.node(store)? != Node::Folder {
        return Ok(None);
    }
    let vfs = nix::sys::statvfs::statvfs(&root.show(store));
    // The rest of the status is worth having without it.
    Ok(vfs.ok().map(|vfs| kernel::free_bytes(&vfs)))
}
