//! The decision: everything that an activation will do, as data. Printing it is the dry run; applying it is the switch.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::decide::AccountsReport;
use crate::activation::ephemeral::Ephemeral;
use crate::activation::install::Install;
use crate::activation::kinds;
use crate::activation::state::Active;
use crate::activation::takeover::{Aside, Takeover};
use crate::basics::decide::BasicsPlan;
use crate::blocks::decide::BlockChange;
use crate::files::decide::{Beside, FileChange, FilesPlan, FolderMend, Mend, Verb};
use crate::host::selinux::Paths;
use crate::model::awaited::Awaited;
use crate::model::conflict::Conflict;
use crate::model::in_etc;
use crate::model::job::Verb as Job;
use crate::model::manifest::{HealthCheck, NoEffect, PreActivationCheck};
use crate::model::names::{AbsolutePath, TargetPath};
use crate::model::packages::PackagesChange;
use crate::model::style::count;
use crate::scripts::decide::{ScriptAction, ScriptsPlan};
use crate::store::kind::{Change, Makes, Planned, Tally, Touch};
use crate::tmpfiles::decide::TmpfilesPlan;
use crate::units::decide::{Seeds, UnitAction, UnitPlan};
use crate::units::users::UserManager;

#[cfg(test)]
mod tests;

/// The version of the format of saved plans and of `plan --json`.
pub(crate) const VERSION: u32 = 1;

/// What is to be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Goal {
    /// This toplevel is active.
    Activate(AbsolutePath),
    /// Nothing is managed.
    Deactivate,
}

/// Everything that an activation will do, in the order of its fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Plan {
    /// Format version.
    pub version: u32,
    /// What is to be reached.
    pub goal: Goal,
    /// What is active now.
    pub from: Option<AbsolutePath>,
    /// Digest of the state that it was decided from.
    pub state: String,
    /// What the interrupted activation was doing that this one resumes.
    pub resumes: Option<String>,
    /// What forbids it; nothing is done while there is any.
    pub conflicts: Vec<Conflict>,
    /// What numtide/system-manager has left that becomes ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takeover: Option<Takeover>,
    /// Packages of the distribution that are missing; `switch --install-missing` installs them first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install: Option<Install>,
    /// Checks that run before anything is changed.
    pub checks: Vec<PreActivationCheck>,
    /// Checks that run after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_checks: Vec<HealthCheck>,
    /// Files below `/etc`.
    pub files: FilesPlan,
    /// Lines in files of others.
    pub blocks: Vec<BlockChange>,
    /// The host's name, time zone, locale and keyboard.
    #[serde(default, skip_serializing_if = "BasicsPlan::is_empty")]
    pub basics: BasicsPlan,
    /// Users and groups.
    pub accounts: AccountsReport,
    /// Differences of the content of changed text files, by target.
    #[serde(with = "in_etc")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub diffs: BTreeMap<TargetPath, String>,
    /// What package managers have left beside managed files; for people, nothing is done about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<Beside>,
    /// Activation scripts.
    pub scripts: ScriptsPlan,
    /// What rules of tmpfiles.d(5) do.
    pub tmpfiles: TmpfilesPlan,
    /// Users whose running managers are switched to changed user units.
    pub user_managers: Vec<UserManager>,
    /// Units.
    pub units: UnitPlan,
    /// Packages that come and go.
    pub packages: Awaited<PackagesChange>,
    /// What is recorded as active afterwards.
    pub becomes: Option<Active>,
    /// What people should know that is no change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Options that are set and have no effect here.
    pub no_effect: Vec<NoEffect>,
    /// Whether it is of this boot only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ephemeral: Option<Ephemeral>,
    /// Whether files are placed only: units, users' managers and scripts are left to the next boot, or to the next `switch`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pre_populates: bool,
}

/// What `plan --json` prints: the plan, and what it comes to.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TellingPlan<'a> {
    #[serde(flatten)]
    plan: Cow<'a, Plan>,
    summary: Summary,
}

impl<'a> TellingPlan<'a> {
    /// Adds to a plan what it comes to.
    #[must_use]
    pub fn of(plan: &'a Plan) -> Self {
        Self {
            summary: plan.summary(),
            plan: Cow::Borrowed(plan),
        }
    }
}

/// How much a plan does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Files that are added.
    pub add: usize,
    /// Files that are changed, or put right.
    pub change: usize,
    /// Files that are removed.
    pub remove: usize,
    /// Files that are put back as they were before.
    pub put_back: usize,
    /// Files of others in which lines are added, changed or removed.
    pub lines: usize,
    /// Changes made by hand that are copied to the backups.
    pub edits: usize,
    /// What forbids it.
    pub conflicts: usize,
    /// Users and groups that come, change or go.
    pub accounts: usize,
    /// Activation scripts that run.
    pub scripts: usize,
    /// Packages that come, change or go.
    pub packages: usize,
    /// Units that are stopped for good.
    pub stop: usize,
    /// Units that are restarted, by whichever way.
    pub restart: usize,
    /// Units that are reloaded.
    pub reload: usize,
    /// Units that are started and were not running.
    pub start: usize,
}

impl Summary {
    /// Returns what it comes to beside added, changed and removed files, for people: what, the verb, and the same when it
    /// is done. Nothing is left out but what there is none of.
    pub(crate) fn rest(&self) -> impl Iterator<Item = (String, &'static str, &'static str)> {
        let lines = (self.lines > 0).then(|| format!("lines in {}", count(self.lines, "file")));
        let counted = [
            (self.put_back, "file", "put back", "put back"),
            (self.edits, "edit", "back up", "backed up"),
            (self.accounts, "account", "change", "changed"),
            (self.scripts, "script", "run", "run"),
            (self.packages, "package", "change", "changed"),
            (self.stop, "unit", "stop", "stopped"),
            (self.reload, "unit", "reload", "reloaded"),
            (self.restart, "unit", "restart", "restarted"),
            (self.start, "unit", "start", "started"),
        ];
        let there = counted.into_iter().filter(|(n, ..)| *n > 0);
        let counted = there.map(|(n, what, verb, done)| (count(n, what), verb, done));
        let lines = lines.into_iter().map(|what| (what, "change", "changed"));
        lines.chain(counted)
    }
}

/// One step of an activation. After any of them the host may stop; the next run goes on.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    /// What an interrupted activation left half-written beside the target is removed.
    RemoveLeftover(&'a TargetPath),
    /// What stands at the target is copied to the backups.
    Keep(&'a FileChange),
    /// What was written to a file of the store is copied to the backups.
    KeepEdit(&'a Mend),
    /// What a change of another kind finds is copied to the backups.
    KeepFirst(Touch<'a>),
    /// What another program has put aside is copied to the backups.
    KeepAside(&'a Aside),
    /// The state and the journal say what is about to happen.
    Claim,
    /// The record of another program is taken out of its sight.
    Retire,
    /// A file of the store is put right.
    Mend(&'a Mend),
    /// Units are stopped, under their old definitions.
    StopUnits,
    /// A file of ours is removed.
    Remove(&'a FileChange),
    /// A folder of ours is removed.
    RemoveFolder(&'a TargetPath),
    /// A backup is put back.
    Restore(&'a FileChange),
    /// Users and groups are changed.
    Accounts,
    /// A folder is made.
    MakeFolder(&'a TargetPath),
    /// A folder gets back its mode and owner.
    MendFolder(&'a FolderMend),
    /// A file is placed.
    Write(&'a FileChange),
    /// A change of another kind is made.
    Change(&'a dyn Change),
    /// An activation script runs.
    Script(&'a ScriptAction),
    /// systemd reads the unit files again.
    DaemonReload,
    /// The rules of tmpfiles.d are applied.
    Tmpfiles,
    /// The user managers are switched.
    UserManagers,
    /// Units are reloaded, restarted and started.
    StartUnits,
    /// The state says what is.
    Commit,
    /// What was of this boot only is no more.
    EndEphemeral,
}

impl Step<'_> {
    /// Whether other programs than this one act in it.
    #[must_use]
    pub fn is_of_others(&self) -> bool {
        match self {
            Self::Mend(_)
            | Self::StopUnits
            | Self::Accounts
            | Self::Script(_)
            | Self::DaemonReload
            | Self::Tmpfiles
            | Self::UserManagers
            | Self::StartUnits
            | Self::EndEphemeral => true,
            Self::RemoveLeftover(_)
            | Self::Keep(_)
            | Self::KeepEdit(_)
            | Self::KeepFirst(_)
            | Self::KeepAside(_)
            | Self::Claim
            | Self::Retire
            | Self::Remove(_)
            | Self::RemoveFolder(_)
            | Self::Restore(_)
            | Self::MakeFolder(_)
            | Self::MendFolder(_)
            | Self::Write(_)
            | Self::Change(_)
            | Self::Commit => false,
        }
    }
}

impl Plan {
    /// Says whether nothing would happen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.conflicts.is_empty()
            && self.takeover.is_none()
            && !self.changes_files()
            && !self.accounts.is_due
            && self.scripts.run.is_empty()
            && !self.tmpfiles.considered
            && self.resumes.is_none()
            && (self.pre_populates || !self.has_live_work())
            && self.ephemeral != Some(Ephemeral::Ends)
            && self.from.as_ref() == self.becomes.as_ref().map(|a| &a.toplevel)
    }

    /// Whether anything is to be done that only a running system has.
    fn has_live_work(&self) -> bool {
        !self.user_managers.is_empty()
            || self.units.actions().next().is_some()
            || !self.units.after.is_empty()
            || self.units.daemon_reload
    }

    /// Whether anything changes below `/etc`, or in what is recorded of it.
    pub(crate) fn changes_files(&self) -> bool {
        !self.files.is_empty() || self.changes().next().is_some()
    }

    /// Says whether all that is described is there already: only the record of what is active changes.
    #[must_use]
    pub fn changes_nothing(&self) -> bool {
        let counted = Summary {
            packages: 0,
            ..self.summary()
        };
        let packages = &self.packages;
        counted == Summary::default()
            && packages.added.is_empty()
            && packages.removed.is_empty()
            && packages.changed.is_empty()
            && self.takeover.is_none()
            && self.resumes.is_none()
            && self.ephemeral.is_none()
            && !self.pre_populates
            && self.files.leftovers.is_empty()
            && self.files.make_folders.is_empty()
            && self.files.remove_folders.is_empty()
            && !self.tmpfiles.considered
            && self.user_managers.is_empty()
            && self.units.after.is_empty()
            && !self.units.daemon_reload
            && matches!(self.ephemeral, None | Some(Ephemeral::Stays))
    }

    /// Returns how many files are copied to the backups.
    #[must_use]
    pub fn count_kept(&self) -> u64 {
        let kept = self.touches().filter(|t| t.kept.is_some()).count();
        let edits = self.files.mends.iter().filter(|m| m.keep.is_some());
        (kept + edits.count()) as u64
    }

    /// Returns the changes that need no place of their own.
    fn changes(&self) -> impl Iterator<Item = &dyn Change> {
        kinds::planned(self).into_iter().flat_map(Planned::changes)
    }

    /// Returns what is made, replaced or removed below `/etc`.
    pub(crate) fn touches(&self) -> impl Iterator<Item = Touch<'_>> {
        let files = self.files.touches().into_iter();
        files.chain(self.changes().filter_map(Change::touch))
    }

    /// Lists the steps in order. Each prefix of them is safe.
    #[must_use]
    pub fn steps(&self) -> Vec<Step<'_>> {
        let leftovers = self.files.leftovers.iter().map(Step::RemoveLeftover);
        let kept = self.files.changes().filter(|c| c.keep.is_some());
        let mut steps: Vec<Step<'_>> = leftovers.chain(kept.map(Step::Keep)).collect();
        let kept = self.files.mends.iter().filter(|m| m.keep.is_some());
        steps.extend(kept.map(Step::KeepEdit));
        let kept = self.changes().filter_map(Change::touch);
        steps.extend(kept.filter(|t| t.kept.is_some()).map(Step::KeepFirst));
        let asides = self.takeover.iter().flat_map(|t| &t.backups);
        steps.extend(asides.map(Step::KeepAside));
        steps.push(Step::Claim);
        steps.extend(self.takeover.iter().map(|_| Step::Retire));
        let mendable = self.files.mends.iter().filter(|m| m.means.is_some());
        steps.extend(mendable.map(Step::Mend));
        if !self.units.stop.is_empty() && !self.pre_populates {
            steps.push(Step::StopUnits);
        }
        let of = |verb| self.files.removals.iter().filter(move |c| c.verb == verb);
        steps.extend(of(Verb::Remove).map(Step::Remove));
        steps.extend(self.files.remove_folders.iter().map(Step::RemoveFolder));
        steps.extend(self.files.make_folders.iter().map(Step::MakeFolder));
        steps.extend(self.files.folder_mends.iter().map(Step::MendFolder));
        steps.extend(of(Verb::Restore).map(Step::Restore));
        let (early, late): (Vec<_>, Vec<_>) =
            self.scripts.run.iter().partition(|s| s.before_accounts);
        steps.extend(early.into_iter().map(Step::Script));
        if self.accounts.is_due {
            steps.push(Step::Accounts);
        }
        let placed = |c: &&FileChange| matches!(c.verb, Verb::Add | Verb::Change);
        steps.extend(self.files.writes.iter().filter(placed).map(Step::Write));
        steps.extend(self.changes().map(Step::Change));
        steps.extend(late.into_iter().map(Step::Script));
        if self.units.daemon_reload && !self.pre_populates {
            steps.push(Step::DaemonReload);
        }
        if self.tmpfiles.considered {
            steps.push(Step::Tmpfiles);
        }
        if !self.user_managers.is_empty() && !self.pre_populates {
            steps.push(Step::UserManagers);
        }
        let starts = |a: &UnitAction| a.verb != Job::Stop;
        // What scripts ask for is known only then; an interrupted run may have left that.
        let may_be_asked = !self.scripts.run.is_empty() || self.resumes.is_some();
        if !self.pre_populates && (may_be_asked || self.units.actions().any(starts)) {
            steps.push(Step::StartUnits);
        }
        steps.push(Step::Commit);
        if self.ephemeral == Some(Ephemeral::Ends) {
            steps.push(Step::EndEphemeral);
        }
        steps
    }

    /// Gives what is due once the files are in place, for the journal.
    #[must_use]
    pub fn due(&self) -> Seeds {
        let names = |actions: &[UnitAction]| -> BTreeSet<String> {
            actions.iter().map(|a| a.unit.clone()).collect()
        };
        let mut start = names(&self.units.start);
        // Who goes back instead of on wants what was stopped for good to run again; who goes on has no such unit.
        start.extend(names(&self.units.stop));
        let goes = |action: &&UnitAction| !self.units.start.iter().any(|a| a.unit == action.unit);
        let stop = self.units.stop.iter().filter(goes);
        Seeds {
            stop: stop.map(|a| a.unit.clone()).collect(),
            start,
            restart: names(&self.units.restart),
            reload: names(&self.units.reload),
            daemon_reload: self.units.daemon_reload,
        }
    }

    /// Lists what it makes, for the labels of a security policy.
    #[must_use]
    pub fn made(&self) -> Paths {
        let mut paths = Paths::default();
        for touch in self.touches() {
            let list = match touch.makes {
                Some(Makes::File) => &mut paths.files,
                Some(Makes::Link) => &mut paths.links,
                Some(Makes::Folder) => &mut paths.folders,
                None => continue,
            };
            list.push(touch.target.in_etc());
        }
        paths
    }

    /// Counts what it does.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = Summary {
            conflicts: self.conflicts.len(),
            edits: self.edits(),
            accounts: self.accounts.count(),
            scripts: self.scripts.run.len(),
            packages: self.packages.count(),
            ..Summary::default()
        };
        let others = kinds::planned(self).into_iter().flat_map(Planned::tallies);
        for tally in self.files.tallies().chain(others) {
            *match tally {
                Tally::Add => &mut summary.add,
                Tally::Change => &mut summary.change,
                Tally::Remove => &mut summary.remove,
                Tally::PutBack => &mut summary.put_back,
                Tally::Lines => &mut summary.lines,
            } += 1;
        }
        if self.pre_populates {
            return summary;
        }
        let stopped: BTreeSet<&str> = self.units.stop.iter().map(|a| a.unit.as_str()).collect();
        let started: BTreeSet<&str> = self.units.start.iter().map(|a| a.unit.as_str()).collect();
        summary.stop = stopped.difference(&started).count();
        summary.start = started.difference(&stopped).count();
        summary.restart = self.units.restart.len() + stopped.intersection(&started).count();
        summary.reload = self.units.reload.len();
        summary
    }
}

impl Plan {
    /// Counts the changes made by hand that are copied to the backups.
    fn edits(&self) -> usize {
        let edited = self.touches().filter_map(|touch| touch.kept);
        let of_store = self.files.mends.iter().filter(|mend| mend.keep.is_some());
        edited.filter(|kept| kept.is_edit).count() + of_store.count()
    }
}

impl UnitPlan {
    /// All actions, in order.
    pub fn actions(&self) -> impl Iterator<Item = &UnitAction> {
        self.stop
            .iter()
            .chain(&self.reload)
            .chain(&self.restart)
            .chain(&self.start)
    }
}
