//! The part of a plan that is about units: asks systemd only when unit files change, or an earlier run left something to do.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use crate::activation::beneath;
use crate::activation::journal::Interrupted;
use crate::activation::plan::Plan;
use crate::activation::prepare::Prepared;
use crate::activation::state::State;
use crate::files::decide::{FileChange, FilesPlan};
use crate::files::record::FilesRecord;
use crate::host::fs::Root;
use crate::host::systemd::Systemd;
use crate::model::conflict::Conflict;
use crate::model::names::TargetPath;
use crate::model::node::Node;
use crate::model::text::Text;
use crate::units::beneath::Scope;
use crate::units::decide::{Facts, Options, Seeds, Sight, decide};
use crate::units::observe::{MANAGED, keep_failing, read_ground, read_live};
use crate::units::read::{SYSTEM, USER, is_below, read_units};
use crate::units::set::UnitSet;
use crate::units::users;

/// What makes units of the system matter.
struct Due {
    /// Their files change.
    changes: bool,
    /// What an earlier run left to be done.
    seeds: Seeds,
    /// Whether scripts run: what they ask for is known only once they have.
    may_be_asked: bool,
    /// Whether there is something that could not be brought up.
    is_failed: bool,
}

impl Due {
    fn of(plan: &Plan, state: &State, interrupted: Seeds) -> Self {
        let pending = &state.units.pending;
        let mut seeds = interrupted;
        seeds.start.extend(pending.start.iter().cloned());
        seeds.stop.extend(pending.stop.iter().cloned());
        seeds.restart.extend(pending.restart.iter().cloned());
        seeds.reload.extend(pending.reload.iter().cloned());
        seeds.daemon_reload |= pending.daemon_reload;
        Self {
            changes: changes(plan, SYSTEM),
            seeds,
            may_be_asked: !plan.scripts.run.is_empty() || plan.resumes.is_some(),
            is_failed: !state.units.failed.is_empty(),
        }
    }

    /// Whether anything is to be done with a unit that this run knows of.
    fn is_known(&self) -> bool {
        self.changes || self.seeds != Seeds::default()
    }

    fn is_any(&self) -> bool {
        self.is_known() || self.may_be_asked || self.is_failed
    }
}

fn changes(plan: &Plan, folder: &str) -> bool {
    plan.files.changes().any(|c| is_below(folder, &c.target))
}

/// Decides about units, and notes what applying that takes.
///
/// # Errors
/// When systemd, or a unit of the host, can't be read.
pub(crate) fn plan(
    root: &Root,
    prepared: &mut Prepared,
    interrupted: Option<Interrupted>,
) -> Result<()> {
    let interrupted = interrupted.unwrap_or_default();
    let due = Due::of(&prepared.plan, &prepared.state, interrupted.due);
    let record = &prepared.state.units;
    let left = interrupted.user_units;
    let left = left.or_else(|| record.pending_users.clone());
    let all_users = changes(&prepared.plan, USER) || left.is_some();
    let users_due = all_users || !record.failed_of_users.is_empty();
    if !due.is_any() && !users_due {
        return Ok(());
    }
    let after = prepared.state.files.after(&prepared.plan.files);
    if users_due {
        plan_users(prepared, &after, left, all_users)?;
    }
    if !due.is_any() {
        return Ok(());
    }
    prepared.new_units = read_units(SYSTEM, &unit_sources(SYSTEM, &after));
    match Systemd::connect()? {
        Some(systemd) => {
            plan_system(root, prepared, &due, &systemd)?;
            prepared.systemd = Some(systemd);
        }
        None if due.is_known() && !prepared.plan.pre_populates => {
            prepared.plan.conflicts.push(Conflict {
                subject: "systemd".to_owned(),
                cause: "is not running here, but units must be switched".to_owned(),
                remedy: "boot this host with systemd, or install only the files with `--root /`"
                    .to_owned(),
            });
        }
        None => {}
    }
    Ok(())
}

/// Decides which managers of users are switched; what that comes to is decided in each of them.
fn plan_users(
    prepared: &mut Prepared,
    after: &FilesRecord,
    left: Option<BTreeMap<TargetPath, Text>>,
    all: bool,
) -> Result<()> {
    let record = &prepared.state.units;
    let mut managers = users::running()?;
    for manager in &mut managers {
        let failed = record.failed_of_users.get(&manager.name);
        manager.failed = failed.cloned().unwrap_or_default();
    }
    managers.retain(|manager| all || !manager.failed.is_empty());
    if !all && managers.is_empty() {
        return Ok(());
    }
    let before = left.unwrap_or_else(|| unit_sources(USER, &prepared.state.files));
    let new = read_units(USER, &unit_sources(USER, after));
    prepared.user_units = Some((read_units(USER, &before), new));
    prepared.user_units_before = before;
    prepared.plan.user_managers = managers;
    Ok(())
}

fn plan_system(root: &Root, prepared: &mut Prepared, due: &Due, systemd: &Systemd) -> Result<()> {
    let old = old_units(root, prepared);
    keep_failing(systemd, &mut prepared.state.units.failed)?;
    let record = &prepared.state.units;
    let names = old.units.keys().chain(prepared.new_units.units.keys());
    let names = names.chain(record.failed.keys()).chain(due.seeds.units());
    let files = &prepared.state.files;
    prepared.beneath = beneath::read(root, Scope::System, files, names)?;
    beneath::add_restored(root, &prepared.plan.files, &mut prepared.beneath)?;
    let (new, beneath) = (&prepared.new_units, &prepared.beneath);
    let looked_for = due.seeds.units().chain(record.failed.keys());
    let sight = Sight::new(&old, new, beneath, looked_for);
    // Scripts may ask for any unit.
    let sight = Some(&sight).filter(|_| !due.may_be_asked);
    prepared.before = read_live(systemd, MANAGED, sight)?;
    prepared.ground = read_ground(systemd)?;
    prepared.plan.units = decide(&Facts {
        old: &old,
        new,
        beneath,
        live: &prepared.before,
        seeds: &due.seeds,
        failed: &record.failed,
        ran: &record.ran_beneath,
        ground: &prepared.ground,
        options: Options::default(),
    });
    prepared.plan.units.daemon_reload |= due.changes;
    beneath::add_differences(&mut prepared.plan, new, beneath);
    Ok(())
}

/// The units of the generation whose files are in place.
fn old_units(root: &Root, prepared: &Prepared) -> UnitSet {
    let mut sources = unit_sources(SYSTEM, &prepared.state.files);
    sources.extend(edited_units(root, &prepared.plan.files));
    read_units(SYSTEM, &sources)
}

/// Returns the unit files that were changed by hand, as they are now: what runs may have been started from them.
fn edited_units(root: &Root, files: &FilesPlan) -> BTreeMap<TargetPath, Text> {
    let edited = files
        .changes()
        .filter(|c| c.drifted && is_below(SYSTEM, &c.target));
    // Nothing was started from a mask: what runs is from before it.
    let is_masked = |c: &FileChange| {
        let is_unit = c.target.as_str().rsplit_once('/').map(|(above, _)| above) == Some(SYSTEM);
        is_unit && matches!(&c.before, Node::Link { to } if to == "/dev/null")
    };
    edited
        .filter(|c| matches!(c.before, Node::File { .. } | Node::Link { .. }) && !is_masked(c))
        .map(|c| {
            let path = root.show(&Path::new("etc").join(&c.target));
            (c.target.clone(), path.to_string_lossy().as_ref().into())
        })
        .collect()
}

/// Gives the sources of a folder's unit files, as a state has them.
fn unit_sources(folder: &str, record: &FilesRecord) -> BTreeMap<TargetPath, Text> {
    let units = record
        .entries
        .iter()
        .filter(|(target, _)| is_below(folder, target));
    units
        .filter_map(|(target, file)| Some((target.clone(), file.source()?.clone())))
        .collect()
}
