//! Units that a run could not bring up: remembered until they are well, and tried again by the next run.
//!
//! A failed job need not leave a failed unit behind: where a dependency failed, the unit is merely down, and nobody would see
//! it any more.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::job::Verb;
use crate::units::decide::Seeds;
use crate::units::outcome::{JobResult, UnitOutcome};

/// What is remembered, by unit.
pub type Failures = BTreeMap<String, Failure>;

/// What a run could not do with a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Failure {
    /// What was to be done.
    pub(crate) verb: Verb,
    /// What went wrong: `its start job failed because of a dependency`.
    pub(crate) why: String,
    /// When that was found, in microseconds since 1970.
    pub(crate) time: u64,
}

/// How such a unit is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Now {
    /// `active`, `inactive`, ..., as in org.freedesktop.systemd1(5).
    pub(crate) state: String,
    /// Whether it has failed, or systemd tries it again and again.
    pub(crate) is_failing: bool,
    /// When it last left the inactive state, in microseconds since 1970.
    pub(crate) began: u64,
    /// Whether its last reload went well.
    pub(crate) is_reloaded: bool,
}

impl Failure {
    /// Whether somebody has made it good since. `now` is none for a unit that is not loaded: it is down. Pure.
    #[must_use]
    pub(crate) fn is_over(&self, now: Option<&Now>) -> bool {
        if self.verb == Verb::Stop {
            return now.is_none_or(|now| matches!(now.state.as_str(), "inactive" | "failed"));
        }
        let Some(now) = now.filter(|now| !now.is_failing) else {
            return false;
        };
        let has_run = now.began > self.time;
        match (now.state.as_str(), self.verb) {
            ("active", Verb::Reload) => now.is_reloaded || has_run,
            // What is down has nothing to be reloaded, and starts with what is new.
            ("inactive", Verb::Reload) => true,
            ("active" | "inactive", _) => has_run,
            _ => false,
        }
    }
}

/// Returns what is to be remembered of an outcome, but for what the next run has to do anyway. Pure.
#[must_use]
pub(crate) fn of_outcome(
    outcome: &UnitOutcome,
    jobs: &[JobResult],
    pending: &Seeds,
    time: u64,
) -> Failures {
    let is_pending = |unit: &String| {
        let sets = [
            &pending.start,
            &pending.restart,
            &pending.reload,
            &pending.stop,
        ];
        sets.into_iter().any(|set| set.contains(unit))
    };
    let failed = outcome.failed.iter().filter(|(unit, _)| !is_pending(unit));
    failed
        .map(|(unit, why)| {
            let job = jobs.iter().rev().find(|job| job.unit == *unit);
            let verb = match job.map(|job| job.verb) {
                Some(verb @ (Verb::Reload | Verb::Stop)) => verb,
                _ => Verb::Start,
            };
            let why = why.clone();
            (unit.clone(), Failure { verb, why, time })
        })
        .collect()
}

#[cfg(test)]
#[rustfmt::skip] // a row of a table is one line
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_over_when_the_unit_has_come_up_since() {
        let now = |state: &str, is_failing, began, is_reloaded| Now { state: state.to_owned(), is_failing, began, is_reloaded };
        let table = [
            (Verb::Start, None, false, "a dependency failed, and it is down still"),
            (Verb::Start, Some(now("inactive", false, 0, true)), false, "down still"),
            (Verb::Start, Some(now("inactive", false, 11, true)), true, "it has run, and ended well"),
            (Verb::Start, Some(now("failed", true, 11, true)), false, "it has failed again"),
            (Verb::Start, Some(now("active", false, 11, true)), true, "somebody has started it"),
            (Verb::Start, Some(now("active", false, 9, true)), false, "its old definition runs"),
            (Verb::Start, Some(now("activating", true, 11, true)), false, "it ends and is started again and again"),
            (Verb::Start, Some(now("activating", false, 11, true)), false, "nobody knows yet"),
            (Verb::Reload, Some(now("active", false, 9, false)), false, "the old settings"),
            (Verb::Reload, Some(now("active", false, 9, true)), true, "somebody has reloaded it"),
            (Verb::Reload, Some(now("active", false, 11, false)), true, "somebody has restarted it"),
            (Verb::Reload, Some(now("inactive", false, 9, false)), true, "its next start takes all"),
            (Verb::Stop, Some(now("active", false, 9, true)), false, "it runs on"),
            (Verb::Stop, Some(now("failed", true, 9, true)), true, "it is down"),
            (Verb::Stop, None, true, "it is gone"),
        ];
        for (verb, now, expected, why) in table {
            let failure = Failure { verb, why: String::new(), time: 10 };
            assert_eq!(failure.is_over(now.as_ref()), expected, "{why}: {verb:?} {now:?}");
        }
    }

    #[test]
    fn what_failed_is_remembered_with_what_was_to_be_done() {
        let job = |unit: &str, verb, result: &str| JobResult { unit: unit.to_owned(), verb, result: result.to_owned() };
        let jobs = [job("r.service", Verb::Reload, "failed"), job("s.service", Verb::Restart, "dependency"),
            job("t.service", Verb::Start, "timeout")];
        let why = |unit: &str| (unit.to_owned(), "why".to_owned());
        let outcome = UnitOutcome { failed: ["r.service", "s.service", "t.service", "u.service"].map(why).into(), ..UnitOutcome::default() };
        let pending = Seeds { start: ["t.service".to_owned()].into(), ..Seeds::default() };
        let found = of_outcome(&outcome, &jobs, &pending, 1);
        let found: Vec<_> = found.iter().map(|(unit, f)| (unit.as_str(), f.verb)).collect();
        assert_eq!(found, [("r.service", Verb::Reload), ("s.service", Verb::Start), ("u.service", Verb::Start)]);
    }
}
