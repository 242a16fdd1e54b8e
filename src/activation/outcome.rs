//! What an activation came to: the truth about each unit's job, for the report and the exit code.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::activation::health::FailedCheck;
use crate::activation::plan::{Goal, Plan, Summary};
use crate::model::conflict::Conflict;
use crate::model::job::Verb;
use crate::scripts::decide::FailedScript;
use crate::units::decide::{Seeds, UnitAction, UnitNote};
use crate::units::outcome::{JobResult, UnitOutcome};
use crate::units::users::UserOutcome;

/// The version of the format of the outcome in `--json`.
pub(crate) const VERSION: u32 = 1;

/// What an activation came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Format version.
    pub version: u32,
    /// What was to be reached.
    pub goal: Goal,
    /// What stood in the way; nothing was done then.
    pub conflicts: Vec<Conflict>,
    /// Whether there was nothing to do, or what stood in the way forbade it.
    pub is_untouched: bool,
    /// How much was done.
    pub summary: Summary,
    /// Activation scripts that failed, in order; the next run does them again.
    pub failed_scripts: Vec<FailedScript>,
    /// Health checks that failed, once all else was done.
    pub failed_checks: Vec<FailedCheck>,
    /// How each job ended, in order.
    pub jobs: Vec<JobResult>,
    /// What became of the units.
    pub units: UnitOutcome,
    /// Changed units that their definition keeps as they are.
    pub not_restarted: Vec<UnitNote>,
    /// The last lines of the journal of each failed unit.
    pub logs: BTreeMap<String, Vec<String>>,
    /// What became of the units of each running user manager, by user.
    pub users: BTreeMap<String, UserOutcome>,
    /// Other things that went wrong.
    pub problems: Vec<String>,
    /// What is odd about accounts, or not as the configuration says, and why; no failure of the run.
    pub warnings: Vec<String>,
    /// What tmpfiles rules could not do; the next run tries again.
    pub tmpfiles: Vec<String>,
    /// What the next run does first.
    pub pending: Seeds,
    /// What a run of its own does once this one has ended, since this one is a part of it.
    pub after: Vec<UnitAction>,
}

impl Outcome {
    /// Gives the outcome of a plan that was not applied: because of its conflicts, or because there was nothing to do.
    #[must_use]
    pub fn untouched(plan: &Plan) -> Self {
        Self {
            version: VERSION,
            goal: plan.goal.clone(),
            conflicts: plan.conflicts.clone(),
            is_untouched: true,
            summary: Summary::default(),
            failed_scripts: Vec::new(),
            failed_checks: Vec::new(),
            jobs: Vec::new(),
            units: UnitOutcome::default(),
            not_restarted: Vec::new(),
            logs: BTreeMap::new(),
            users: BTreeMap::new(),
            problems: Vec::new(),
            warnings: plan.accounts.warnings.clone(),
            tmpfiles: Vec::new(),
            pending: Seeds::default(),
            after: Vec::new(),
        }
    }

    /// Says whether everything that was touched is well.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.failed_scripts.is_empty() && self.is_success_but_for_scripts()
    }

    /// Lists what went wrong, each with what to do.
    #[must_use]
    pub fn failures(&self) -> Vec<(String, String)> {
        let mut failures = Vec::new();
        for (unit, why) in &self.units.failed {
            let hint = format!("`systemctl status {unit}` says more");
            failures.push((format!("{unit} failed: {why}"), hint));
        }
        for (user, outcome) in &self.users {
            for (unit, why) in &outcome.units.failed {
                let hint = format!("`systemctl --user --machine={user}@ status {unit}` says more");
                failures.push((format!("{unit} of {user} failed: {why}"), hint));
            }
        }
        // A second rollback would go further.
        let again = || match &self.goal {
            Goal::Activate(toplevel) => {
                format!("fix the cause, then run `system-manager activate {toplevel}`")
            }
            Goal::Deactivate => "fix the cause, then run `system-manager deactivate`".to_owned(),
        };
        for script in &self.failed_scripts {
            let text = format!(
                "the activation script {} failed: {}",
                script.name, script.why
            );
            failures.push((text, again()));
        }
        for check in &self.failed_checks {
            let text = format!("the health check {} failed: {}", check.name, check.why);
            let hint = "fix the cause, or go back with `system-manager rollback`".to_owned();
            failures.push((text, hint));
        }
        let tmpfiles = self.tmpfiles.iter();
        let tmpfiles =
            tmpfiles.map(|t| format!("tmpfiles rules could not be applied: {}", first_line(t)));
        let problems = self.problems.iter().map(|p| first_line(p).to_owned());
        failures.extend(tmpfiles.chain(problems).map(|text| (text, again())));
        failures
    }

    /// Says whether everything that was touched is well, whatever activation scripts have come to.
    #[must_use]
    pub fn is_success_but_for_scripts(&self) -> bool {
        self.units.is_success()
            && self.failed_checks.is_empty()
            && self.conflicts.is_empty()
            && self.tmpfiles.is_empty()
            && self.problems.is_empty()
            && self.users.values().all(|u| u.units.is_success())
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Returns what the jobs that did not end in time, and what is left for after this run, leave for the next one. Pure.
#[must_use]
pub(crate) fn pending(jobs: &[JobResult], after: &[UnitAction]) -> Seeds {
    let mut pending = Seeds::default();
    for job in jobs
        .iter()
        .filter(|j| j.result == crate::host::systemd::TIMED_OUT)
    {
        let started_again = jobs
            .iter()
            .any(|j| j.unit == job.unit && j.verb == Verb::Start);
        match job.verb {
            Verb::Stop if started_again => pending.restart.insert(job.unit.clone()),
            Verb::Stop => pending.stop.insert(job.unit.clone()),
            Verb::Start => pending.start.insert(job.unit.clone()),
            Verb::Restart => pending.restart.insert(job.unit.clone()),
            Verb::Reload => pending.reload.insert(job.unit.clone()),
        };
    }
    for action in after {
        let set = match action.verb {
            Verb::Stop => &mut pending.stop,
            _ => &mut pending.restart,
        };
        set.insert(action.unit.clone());
    }
    pending
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_not_forgotten() {
        let job = |unit: &str, verb, result: &str| JobResult {
            unit: unit.to_owned(),
            verb,
            result: result.to_owned(),
        };
        let jobs = [
            job("a.service", Verb::Stop, "timeout"),
            job("a.service", Verb::Start, "done"),
            job("b.service", Verb::Stop, "timeout"),
            job("c.service", Verb::Restart, "timeout"),
            job("d.service", Verb::Restart, "failed"),
            job("e.service", Verb::Stop, "done"),
        ];
        let pending = pending(&jobs, &[]);
        assert_eq!(pending.stop.iter().collect::<Vec<_>>(), ["b.service"]);
        assert_eq!(
            pending.restart.into_iter().collect::<Vec<_>>(),
            ["a.service", "c.service"]
        );
        assert!(pending.start.is_empty() && pending.reload.is_empty());
    }
}
