//! Carries out a decision about units on a running systemd, and tells how it went. The words are those of NixOS.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::time::{ClockId, clock_gettime};

use crate::host::process::Command;
use crate::host::systemd::{Event, Loaded, Systemd};
use crate::model::job::Verb;
use crate::units;
use crate::units::decide::{Ground, LOGINS, UnitAction, UnitPlan, settle_reloads};
use crate::units::layers::Layers;
use crate::units::outcome::{JobResult, UnitOutcome, judge};
use crate::units::requests::Requests;
use crate::units::set::Live;
use crate::units::settle::Watch;
use crate::units::verify::why_not_new;

/// NixOS's target for what must happen again at each activation, before units start.
const SYSINIT_REACTIVATION: &str = "sysinit-reactivation.target";

/// Is told what happens to jobs. An error ends the switch, as a kill would.
pub(crate) type Tell<'a> = dyn FnMut(Verb, Event<'_>) -> Result<()> + 'a;

/// Everything that a switch of units works with.
pub(crate) struct UnitSwitch<'a> {
    /// The manager.
    pub systemd: &'a Systemd,
    /// What to do.
    pub plan: UnitPlan,
    /// The units of the new generation.
    pub new_units: Layers<'a>,
    /// The units before.
    pub before: &'a Live,
    /// What this process stands on.
    pub ground: &'a Ground,
    /// The folder that generations write to.
    pub managed: &'static str,
    /// How long to wait for a job.
    pub timeout: Duration,
    /// How each job ended, in order.
    pub jobs: Vec<JobResult>,
    /// When the starts began, in microseconds of the monotonic clock: systemd had read the new definitions by then.
    pub reloaded: u64,
    /// What it has seen of the services that it starts.
    pub watch: Watch,
}

impl UnitSwitch<'_> {
    /// Stops what goes or must not run while it changes, under the old definitions.
    ///
    /// # Errors
    /// When systemd can't be reached.
    pub(crate) fn stop(&mut self, tell: &mut Tell<'_>) -> Result<()> {
        let stop = self.plan.stop.clone();
        self.run(Verb::Stop, &stop, tell)
    }

    /// Adds the units that activation scripts want restarted or reloaded.
    pub(crate) fn add_requests(&mut self, requests: &Requests) {
        let (new, before) = (self.new_units, self.before);
        units::requests::add(&mut self.plan, requests, new, before, self.ground);
    }

    /// Reloads, restarts and starts under the new definitions.
    ///
    /// # Errors
    /// When systemd can't be reached.
    pub(crate) fn start(&mut self, tell: &mut Tell<'_>) -> Result<()> {
        self.reloaded = monotonic()?;
        let mut plan = self.plan.clone();
        self.replace_impostors(&mut plan)?;
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
        // The sessions of those who watch this run hang on it.
        let (logins, restart): (Vec<_>, Vec<_>) =
            plan.restart.into_iter().partition(|a| a.unit == LOGINS);
        self.run(Verb::Restart, &restart, tell)?;
        self.run(Verb::Start, &start, tell)?;
        self.run(Verb::Restart, &logins, tell)
    }

    /// What was stopped and is up again has been started by somebody else: a start would leave it with what it has.
    fn replace_impostors(&self, plan: &mut UnitPlan) -> Result<()> {
        let stopped: BTreeSet<&String> = plan.stop.iter().map(|a| &a.unit).collect();
        if !plan.start.iter().any(|a| stopped.contains(&a.unit)) {
            return Ok(());
        }
        let now = units::observe::read_states(self.systemd, self.before)?;
        let is_impostor = |a: &UnitAction| stopped.contains(&a.unit) && now.is_active(&a.unit);
        let (impostors, start) = plan.start.iter().cloned().partition(is_impostor);
        plan.start = start;
        for action in impostors {
            tracing::info!("{} was started meanwhile, and is restarted", action.unit);
            plan.restart.push(UnitAction {
                verb: Verb::Restart,
                ..action
            });
        }
        Ok(())
    }

    /// Judges what became of the units.
    ///
    /// # Errors
    /// When systemd can't be reached.
    pub(crate) fn judge(&mut self) -> Result<UnitOutcome> {
        for unit in &self.plan.forget {
            self.forget(unit);
        }
        if self.plan.actions().next().is_none() {
            return Ok(UnitOutcome::default());
        }
        let touched: BTreeSet<String> = self
            .plan
            .actions()
            .filter(|a| a.verb != Verb::Stop)
            .map(|a| a.unit.clone())
            .collect();
        self.watch.wait(self.systemd, touched.iter())?;
        let listed = self.systemd.list()?;
        let after = units::observe::states_of(self.systemd, &listed, self.before)?;
        let mut outcome = judge(self.before, &after, &touched, &self.jobs);
        for (unit, why) in outcome.take_gone(&self.gone(&touched)) {
            tracing::warn!("{unit} is stopped and gone, but did not end well: {why}");
            self.forget(&unit);
        }
        for (unit, why) in self.old_ones(&listed)? {
            outcome.failed.entry(unit).or_insert(why);
        }
        Ok(outcome)
    }

    /// Has systemd forget that a unit failed, or it would list for good what exists no more.
    fn forget(&self, unit: &str) {
        if let Err(error) = self.systemd.reset_failed(unit) {
            tracing::warn!("forgetting that {unit} has failed: {error:#}");
        }
    }

    /// Finds those of the listed units that should run a new definition and do not, with why.
    fn old_ones(&self, listed: &[Loaded]) -> Result<BTreeMap<String, String>> {
        let stopped: BTreeSet<&String> = self.plan.stop.iter().map(|a| &a.unit).collect();
        let renewed = self.plan.start.iter().filter(|a| stopped.contains(&a.unit));
        let renewed: BTreeSet<&String> = renewed
            .chain(&self.plan.restart)
            .map(|a| &a.unit)
            .filter(|unit| {
                !self
                    .jobs
                    .iter()
                    .any(|j| j.unit == **unit && j.result != "done")
            })
            .collect();
        let mut old = BTreeMap::new();
        if renewed.is_empty() || self.reloaded == 0 {
            return Ok(old);
        }
        for loaded in listed.iter().filter(|unit| renewed.contains(&unit.name)) {
            let started = units::observe::read_started(self.systemd, loaded, self.managed)?;
            let new = self.new_units.definition(&loaded.name);
            let why = started.and_then(|started| why_not_new(&new, &started, self.reloaded));
            old.extend(why.map(|why| (loaded.name.clone(), why.to_owned())));
        }
        Ok(old)
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
            tracing::info!("{} the following units: {shown}", verb.progressive());
        }
        let names: Vec<String> = actions.iter().map(|a| a.unit.clone()).collect();
        let (systemd, jobs, watch) = (self.systemd, &mut self.jobs, &mut self.watch);
        systemd.run(verb, &names, self.timeout, &mut |event| {
            if let Event::Ended { unit, result } = &event {
                if verb != Verb::Stop {
                    watch.started(systemd, unit);
                }
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

/// Returns the time of the clock by which systemd says when a unit started, in microseconds.
fn monotonic() -> Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).context("reading the monotonic clock")?;
    let now = Duration::from(now).as_micros();
    u64::try_from(now).context("reading the monotonic clock")
}

/// Lists the units that reports show, as NixOS sorts them: without regard to case.
#[must_use]
pub(crate) fn list_visible(actions: &[UnitAction]) -> String {
    let mut names: Vec<&str> = actions
        .iter()
        .filter(|a| a.visible)
        .map(|a| a.unit.as_str())
        .collect();
    names.sort_by_key(|n| n.to_lowercase());
    names.join(", ")
}

/// Whether a job has done what it was to do, so that no later run has to do it again.
#[must_use]
pub(crate) fn is_final(verb: Verb, result: &str) -> bool {
    verb != Verb::Stop && matches!(result, "done" | "skipped")
}

/// Reads the last lines that each unit logged since a time, in seconds since 1970; a report without them is better than
/// none.
#[must_use]
pub(crate) fn read_logs<'a>(
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
