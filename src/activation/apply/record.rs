//! What a run writes down: at its claim, before anything changes, and at its end.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, anyhow};

use super::{CURRENT, GC_ROOTS, Run};
use crate::activation::journal::{self, Journal, Record};
use crate::activation::kinds;
use crate::activation::outcome::{self};
use crate::activation::plan::Goal;
use crate::activation::state::State;
use crate::host::clock::{now, now_in_micros};
use crate::host::fs::Root;
use crate::host::systemd::TIMED_OUT;
use crate::model::job::Verb;
use crate::model::node::Node;
use crate::units::decide::Seeds;
use crate::units::failures;
use crate::units::outcome::UnitOutcome;
use crate::units::users::UserOutcome;
use crate::{accounts, store};

impl Run<'_> {
    pub(super) fn claim(&mut self) -> Result<()> {
        let (root, plan) = (self.a.root, self.a.plan);
        kinds::claim(&mut self.a.state, plan, now());
        self.a.state.scripts.clone_from(&plan.scripts.record);
        self.a.state.units.pending = Seeds::default();
        let ran = plan.units.ran.iter().flatten().cloned();
        self.a.state.units.ran_beneath.extend(ran);
        root.make_folders(Path::new("etc"))?;
        store::make_folder(root)?;
        let purpose = match &plan.goal {
            Goal::Activate(toplevel) => match self.a.back_to {
                Some(number) => format!("rolling back to generation {number}, {toplevel}"),
                None => format!("activating {toplevel}"),
            },
            Goal::Deactivate => "deactivating".to_owned(),
        };
        let begin = Record::Begin {
            purpose,
            goal: Some(plan.goal.clone()),
            due: plan.due(),
            tmpfiles: plan.tmpfiles.considered,
            user_units: self
                .a
                .user_units
                .is_some()
                .then(|| self.a.user_units_before.clone()),
            boot: journal::this_boot(),
            back_to: self.a.back_to,
        };
        // The journal first: what it says is due is only ever more than what the state has changed.
        let journal = Journal::begin(root, &begin, plan.resumes.is_some())?;
        if let Err(error) = self.a.state.write(root) {
            // Its checksum is still that of the one before.
            let is_new = |now: State| now.digest().ok() == self.a.state.digest().ok();
            if State::read(root).is_ok_and(is_new) {
                // It is in place, if perhaps not yet on the disk.
                self.is_claimed = true;
            } else if plan.resumes.is_none() {
                // Nothing has been changed. A journal that resumes an earlier one stays: it owes at least the same.
                journal.end(root).context("removing the journal again")?;
            }
            return Err(error);
        }
        self.journal = Some(journal);
        self.is_claimed = true;
        if let Goal::Activate(toplevel) = &plan.goal {
            write_link_if_changed(root, CURRENT, toplevel.as_str())?;
            if !matches!(root.node(Path::new(GC_ROOTS))?, Node::Absent) {
                let target = format!("/{CURRENT}");
                write_link_if_changed(root, &format!("{GC_ROOTS}/system-manager"), &target)?;
            }
        }
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Result<()> {
        let (root, plan) = (self.a.root, self.a.plan);
        self.judge();
        root.sync()?;
        kinds::commit(&mut self.a.state, plan);
        if plan.tmpfiles.considered {
            self.a.state.tmpfiles.note(&self.tmpfiles);
        }
        self.a.state.active.clone_from(&plan.becomes);
        // Also when it was an interrupted run that has given them.
        self.a.state.accounts |= accounts::apply::is_recorded(root)?;
        if let Some(ran) = &plan.units.ran {
            self.a.state.units.ran_beneath.clone_from(ran);
        }
        if plan.resumes.is_some() {
            self.a.state.backups.keep_once(root)?;
        }
        self.a.state.units.pending = self.pending();
        self.a.state.units.until_boot_after = plan.pre_populates.then(journal::this_boot);
        self.remember_failures();
        let users_left = self.users_left() || (plan.pre_populates && self.a.user_units.is_some());
        self.a.state.units.pending_users = users_left.then(|| self.a.user_units_before.clone());
        if plan.goal == Goal::Deactivate {
            root.remove_file(Path::new(CURRENT))?;
            root.remove_file(&Path::new(GC_ROOTS).join("system-manager"))?;
        }
        self.a.state.write(root)?;
        // A backup that was put back, or whose entry went, is of no use any more; kept edits stay.
        self.a.state.sweep_backups(root)?;
        root.sync()?;
        match self.journal.take() {
            Some(journal) => journal.end(root),
            None => Err(anyhow!("the activation was not claimed")),
        }
    }

    /// Judges what became of the units, for the state and for the outcome.
    pub(super) fn judge(&mut self) {
        let Some(switch) = &mut self.units else {
            return;
        };
        self.judged = switch.judge().unwrap_or_else(|error| {
            self.problems
                .push(format!("the result for the units is unknown: {error:#}"));
            let why = || "its result is unknown".to_owned();
            let acted = switch.plan.actions().filter(|a| a.verb != Verb::Stop);
            UnitOutcome {
                failed: acted.map(|a| (a.unit.clone(), why())).collect(),
                ..UnitOutcome::default()
            }
        });
    }

    /// Records what could not be brought up, so that it is seen, and tried again, until it is well.
    pub(super) fn remember_failures(&mut self) {
        let time = now_in_micros();
        if let Some(switch) = &self.units {
            let pending = self.pending();
            let acted: BTreeSet<&String> = switch.plan.actions().map(|a| &a.unit).collect();
            let known = std::mem::take(&mut self.a.state.units.failed);
            // What could not be tried again is as it was.
            let left = known.into_iter().filter(|(unit, _)| {
                let is_there = switch.new_units.definition(unit).file().is_some();
                is_there && !acted.contains(unit)
            });
            let mut failed = failures::of_outcome(&self.judged, &switch.jobs, &pending, time);
            failed.extend(left);
            self.a.state.units.failed = failed;
        }
        let record = &mut self.a.state.units.failed_of_users;
        for (user, outcome) in &self.users {
            let failed =
                failures::of_outcome(&outcome.units, &outcome.jobs, &Seeds::default(), time);
            if failed.is_empty() {
                record.remove(user);
            } else {
                record.insert(user.clone(), failed);
            }
        }
    }

    /// Returns what the next run has to do: what has not ended in time, and what this run is a part of.
    pub(super) fn pending(&self) -> Seeds {
        if self.a.plan.pre_populates {
            return self.a.plan.due();
        }
        let jobs = self.units.as_ref().map(|u| u.jobs.as_slice());
        outcome::pending(jobs.unwrap_or_default(), self.after())
    }

    /// Says whether a user manager could not be switched, or not in time.
    pub(super) fn users_left(&self) -> bool {
        let timed_out = |outcome: &UserOutcome| outcome.jobs.iter().any(|j| j.result == TIMED_OUT);
        let left = !self.problems.is_empty() || self.users.values().any(timed_out);
        // A problem may be of something else.
        left && self.a.user_units.is_some()
    }
}

fn write_link_if_changed(root: &Root, path: &str, to: &str) -> Result<()> {
    let path = Path::new(path);
    if root.node(path)? == (Node::Link { to: to.into() }) {
        return Ok(());
    }
    root.write_link(path, to)
}
