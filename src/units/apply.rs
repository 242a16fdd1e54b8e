//! Carries out a decision about units on a running systemd, and tells how it went. The words are those of NixOS.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;

use crate::host::process::Command;
use crate::host::systemd::{Event, Systemd, TIMED_OUT};
use crate::units;
use crate::units::decide::{UnitAction, UnitPlan, Verb, settle_reloads};
use crate::units::layers::Layers;
use crate::units::outcome::{JobResult, UnitOutcome, judge};
use crate::units::requests::Requests;
use crate::units::set::Live;

/// NixOS's target for what must happen again at each activation, before units start.
const SYSINIT_REACTIVATION: &str = "sysinit-reactivation.target";

/// On a host that is never quiet, judging begins after this time.
const SETTLE_LIMIT: Duration = Duration::from_secs(10);

/// Is told what happens to jobs. An error ends the switch, as a kill would.
pub type Tell<'a> = dyn FnMut(Verb, Event<'_>) -> Result<()> + 'a;

/// Everything that a switch of units works with.
pub struct UnitSwitch<'a> {
    /// The manager.
    pub systemd: &'a Systemd,
    /// What to do.
    pub plan: UnitPlan,
    /// The units of the new generation.
    pub new_units: Layers<'a>,
    /// The units before.
    pub before: &'a Live,
    /// How long to wait for a job.
    pub timeout: Duration,
    /// How each job ended, in order.
    pub jobs: Vec<JobResult>,
}

impl UnitSwitch<'_> {
    /// Stops what goes or must not run while it changes, under the old definitions.
    ///
    /// # Errors
    /// When systemd can't be reached.
    pub fn stop(&mut self, tell: &mut Tell<'_>) -> Result<()> {
        let stop = self.plan.stop.clone();
        self.run(Verb::Stop, &stop, tell)
    }

    /// Adds the units that activation scripts want restarted or reloaded.
    pub fn add_requests(&mut self, requests: &Requests) {
        units::requests::add(&mut self.plan, requests, self.new_units, self.before);
    }

    /// Reloads, restarts and starts under the new definitions.
    ///
    /// # Errors
    /// When systemd can't be reached.
    pub fn start(&mut self, tell: &mut Tell<'_>) -> Result<()> {
        let plan = self.plan.clone();
        for action in plan.restart.iter().chain(&plan.start) {
            if self
                .before
                .units
                .get(&action.unit)
                .is_some_and(|u| u.active_state == "failed")
            {
                self.systemd.reset_failed(&action.unit)?;
            }
        }
        if self.new_units.ours.units.contains_key(SYSINIT_REACTIVATION) {
            let action = UnitAction {
                unit: SYSINIT_REACTIVATION.to_owned(),
                verb: Verb::Restart,
                reason: "part of each activation".to_owned(),
                visible: false,
            };
            self.run(Verb::Restart, &[action], tell)?;
        }
        let (reload, mut start) = if plan.reload.is_empty() {
            (Vec::new(), Vec::new())
        } else {
            settle_reloads(
                &plan,
                self.new_units,
                &units::observe::read_states(self.systemd, self.before)?,
            )
        };
        start.extend(plan.start.iter().cloned());
        self.run(Verb::Reload, &reload, tell)?;
        self.run(Verb::Restart, &plan.restart, tell)?;
        self.run(Verb::Start, &start, tell)
    }

    /// Judges what became of the units.
    ///
    /// # Errors
    /// When systemd can't be reached.
    pub fn judge(&self) -> Result<UnitOutcome> {
        if self.plan.actions().next().is_none() {
            return Ok(UnitOutcome::default());
        }
        let touched: BTreeSet<String> = self
            .plan
            .actions()
            .filter(|a| a.verb != Verb::Stop)
            .map(|a| a.unit.clone())
            .collect();
        if !touched.is_empty() {
            self.systemd.settle(SETTLE_LIMIT);
        }
        let after = units::observe::read_states(self.systemd, self.before)?;
        let mut outcome = judge(self.before, &after, &touched, &self.jobs);
        for (unit, why) in outcome.take_gone(&self.gone(&touched)) {
            tracing::warn!("{unit} is stopped and gone, but did not end well: {why}");
            // Or systemd would list a unit for good that exists no more.
            if let Err(error) = self.systemd.reset_failed(&unit) {
                tracing::warn!("forgetting that {unit} has failed: {error:#}");
            }
        }
        Ok(outcome)
    }

    /// Gives the units that stopped as they were asked to, and that the new generation does not have.
    fn gone(&self, touched: &BTreeSet<String>) -> BTreeSet<String> {
        self.jobs
            .iter()
            .filter(|job| job.verb == Verb::Stop && job.result == "done")
            .map(|job| job.unit.clone())
            .filter(|unit| !touched.contains(unit) && !self.new_units.ours.units.contains_key(unit))
            .collect()
    }

    fn run(&mut self, verb: Verb, actions: &[UnitAction], tell: &mut Tell<'_>) -> Result<()> {
        if actions.is_empty() {
            return Ok(());
        }
        let shown = list_visible(actions);
        if !shown.is_empty() {
            tracing::info!("{} the following units: {shown}", progressive(verb));
        }
        let names: Vec<String> = actions.iter().map(|a| a.unit.clone()).collect();
        let jobs = &mut self.jobs;
        self.systemd.run(verb, &names, self.timeout, &mut |event| {
            if let Event::Ended { unit, result } = &event {
                jobs.push(JobResult {
                    unit: (*unit).to_owned(),
                    verb,
                    result: (*result).to_owned(),
                });
            }
            tell(verb, event)
        })
    }
}

/// Gives the words for a job that is under way.
#[must_use]
pub fn progressive(verb: Verb) -> &'static str {
    match verb {
        Verb::Stop => "stopping",
        Verb::Start => "starting",
        Verb::Restart => "restarting",
        Verb::Reload => "reloading",
    }
}

/// Lists the units that reports show, as NixOS sorts them: without regard to case.
#[must_use]
pub fn list_visible(actions: &[UnitAction]) -> String {
    let mut names: Vec<&str> = actions
        .iter()
        .filter(|a| a.visible)
        .map(|a| a.unit.as_str())
        .collect();
    names.sort_by_key(|n| n.to_lowercase());
    names.join(", ")
}

/// Says whether a job has ended for good, so that no later run has to do it again.
#[must_use]
pub fn is_final(verb: Verb, result: &str) -> bool {
    verb != Verb::Stop && result != TIMED_OUT
}

/// Reads the last lines that each unit logged since a time, in seconds since 1970; a report without them is better than
/// none.
#[must_use]
pub fn read_logs<'a>(
    units: impl IntoIterator<Item = &'a String>,
    selector: &str,
    since: u64,
) -> BTreeMap<String, Vec<String>> {
    let tail = |unit: &str| {
        let command = Command::new("journalctl")
            .args([
                "--no-pager",
                "--quiet",
                "--output=short",
                "--lines=10",
                "--boot",
            ])
            .arg(format!("--since=@{since}"))
            .arg(format!("--{selector}={unit}"));
        match command.output() {
            Ok(output) => String::from_utf8_lossy(&output.stdout)
                .lines()
                .map(str::to_owned)
                .collect(),
            Err(e) => vec![format!("(its log can't be read: {e:#})")],
        }
    };
    units
        .into_iter()
        .map(|unit| (unit.clone(), tail(unit)))
        .collect()
}
