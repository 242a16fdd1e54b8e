//! What became of the units after a switch: which failures are this run's, and which are not.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::job::Verb;
use crate::units::set::{Live, LiveUnit, suffix_of};

/// How systemd ended one job that this run asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobResult {
    /// The unit.
    pub unit: String,
    /// What was asked for.
    pub verb: Verb,
    /// `done`, `canceled`, `timeout`, `failed`, `dependency`, `skipped`, ... as in `JobRemoved`; `timeout` also when this
    /// program has stopped waiting.
    pub result: String,
}

/// What became of the units.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnitOutcome {
    /// Units of this run that failed, with why: these fail the run.
    pub failed: BTreeMap<String, String>,
    /// Units that this run did not touch and that were failing before already.
    pub failing_before: BTreeSet<String>,
    /// Units that this run did not touch and that are failing only now.
    pub failing_elsewhere: BTreeSet<String>,
    /// Units that are active now and were not before.
    pub newly_active: BTreeSet<String>,
}

impl UnitOutcome {
    /// Tells whether the run may end with exit code 0.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.failed.is_empty()
    }

    /// Takes out the units that were asked to stop, did so, and are gone: how a program ended that nobody wants any more is
    /// no failure of the run. Returns them with why they counted as failed.
    pub fn take_gone(&mut self, gone: &BTreeSet<String>) -> BTreeMap<String, String> {
        let taken: BTreeMap<_, _> = self
            .failed
            .iter()
            .filter(|(unit, _)| gone.contains(*unit))
            .map(|(unit, why)| (unit.clone(), why.clone()))
            .collect();
        self.failed.retain(|unit, _| !gone.contains(unit));
        taken
    }
}

/// Judges a switch by the states before and after it and by its jobs' results. Pure.
///
/// `touched` are the units that the run acted on; the units of `jobs` count as touched too.
#[must_use]
pub(crate) fn judge(
    before: &Live,
    after: &Live,
    touched: &BTreeSet<String>,
    jobs: &[JobResult],
) -> UnitOutcome {
    let mut outcome = UnitOutcome::default();
    let mut ours: BTreeSet<&str> = touched.iter().map(String::as_str).collect();
    for job in jobs {
        ours.insert(&job.unit);
        if let Some(why) = describe_job(job, after.is_active(&job.unit)) {
            let why = format!("its {} job {why}", job.verb.word());
            outcome.failed.entry(job.unit.clone()).or_insert(why);
        }
    }
    for (name, unit) in &after.units {
        if unit.is_failing() {
            if ours.contains(name.as_str()) {
                let why = describe_failure(unit);
                outcome.failed.entry(name.clone()).or_insert(why);
            } else if before.is_failing(name) {
                outcome.failing_before.insert(name.clone());
            } else {
                outcome.failing_elsewhere.insert(name.clone());
            }
        } else if unit.is_active() && !before.is_active(name) && suffix_of(name) != "scope" {
            outcome.newly_active.insert(name.clone());
        }
    }
    outcome
}

/// Says why a job's end is a failure, if it is one. Pure.
///
/// The results are those of `JobRemoved` in org.freedesktop.systemd1(5). One that is unknown, of a later systemd, is a
/// failure: only what is known to be well is called so. A job that another one took the place of is judged by what it was
/// to bring about.
fn describe_job(job: &JobResult, is_active: bool) -> Option<String> {
    let reached = is_active == (job.verb != Verb::Stop);
    let why = match job.result.as_str() {
        "done" | "skipped" => return None,
        "canceled" | "collected" if reached => return None,
        "canceled" => "was canceled by another one",
        "collected" => "was dropped together with its unit",
        "timeout" => "timed out",
        "failed" => "failed",
        "dependency" => "failed because of a dependency",
        "invalid" => "does not apply to the unit's state",
        "assert" => "failed because an assertion of the unit does not hold",
        "unsupported" => "is of a kind that this system does not support",
        "once" => "was refused, the unit can be started only once",
        "frozen" => "was refused, the unit is frozen",
        other => return Some(format!("ended with the result `{other}`")),
    };
    Some(why.to_owned())
}

fn describe_failure(unit: &LiveUnit) -> String {
    if unit.active_state == "failed" {
        match unit.result.as_str() {
            "" | "success" => "it is in the failed state".to_owned(),
            result => format!("it failed with result `{result}`"),
        }
    } else {
        format!(
            "it ended with status {} and systemd keeps restarting it",
            unit.exec_main_status
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(units: &[(&str, &str, &str, i32)]) -> Live {
        let unit = |(name, active, sub, status): &(&str, &str, &str, i32)| {
            let unit = LiveUnit {
                active_state: (*active).into(),
                sub_state: (*sub).into(),
                exec_main_status: *status,
                ..LiveUnit::default()
            };
            ((*name).to_owned(), unit)
        };
        Live {
            units: units.iter().map(unit).collect(),
        }
    }

    #[test]
    fn a_unit_that_is_gone_does_not_fail_the_run() {
        let failed = |units: &[&str]| -> BTreeMap<String, String> {
            units
                .iter()
                .map(|u| ((*u).to_owned(), "why".to_owned()))
                .collect()
        };
        let mut outcome = UnitOutcome {
            failed: failed(&["gone.service", "mine.service"]),
            ..UnitOutcome::default()
        };
        let gone = BTreeSet::from(["gone.service".to_owned(), "well.service".to_owned()]);
        assert_eq!(outcome.take_gone(&gone), failed(&["gone.service"]));
        assert_eq!(outcome.failed, failed(&["mine.service"]));
    }

    #[test]
    fn tells_its_own_failures_from_others() {
        let before = live(&[
            ("old.service", "failed", "failed", 1),
            ("mine.service", "active", "running", 0),
            ("was.service", "failed", "failed", 1),
        ]);
        let after = live(&[
            ("old.service", "failed", "failed", 1),
            ("mine.service", "failed", "failed", 1),
            ("was.service", "failed", "failed", 1),
            ("else.service", "failed", "failed", 1),
            ("loop.service", "activating", "auto-restart", 203),
            ("calm.service", "activating", "auto-restart", 0),
            ("slow.service", "activating", "start", 0),
            ("s.scope", "active", "running", 0),
            ("dep.service", "inactive", "dead", 0),
        ]);
        let touched = [
            "mine.service",
            "was.service",
            "loop.service",
            "calm.service",
        ];
        let touched = touched.iter().map(|s| (*s).to_owned()).collect();
        let job = |unit: &str, result: &str| JobResult {
            unit: unit.into(),
            verb: Verb::Start,
            result: result.into(),
        };
        let jobs = [
            job("slow.service", "timeout"),
            job("dep.service", "dependency"),
            job("mine.service", "failed"),
            job("calm.service", "done"),
            job("else.timer", "skipped"),
        ];
        let outcome = judge(&before, &after, &touched, &jobs);
        let failed: Vec<_> = outcome
            .failed
            .iter()
            .map(|(u, w)| format!("{u}: {w}"))
            .collect();
        assert_eq!(
            failed,
            [
                "dep.service: its start job failed because of a dependency",
                "loop.service: it ended with status 203 and systemd keeps restarting it",
                "mine.service: its start job failed",
                "slow.service: its start job timed out",
                "was.service: it is in the failed state",
            ]
        );
        assert!(!outcome.is_success());
        assert_eq!(outcome.failing_before, ["old.service".to_owned()].into());
        assert_eq!(
            outcome.failing_elsewhere,
            ["else.service".to_owned()].into()
        );
        let newly = ["calm.service", "slow.service"].map(str::to_owned);
        assert_eq!(outcome.newly_active, newly.into());
    }

    /// Verb, result, whether it is active afterwards, why it is a failure.
    #[rustfmt::skip] // a row of a table is one line
    const RESULTS: [(Verb, &str, bool, Option<&str>); 17] = [
        (Verb::Start, "done", true, None),
        (Verb::Start, "done", false, None), // a oneshot that has run, or a condition that does not hold
        (Verb::Reload, "skipped", false, None),
        (Verb::Start, "canceled", true, None),
        (Verb::Start, "canceled", false, Some("start job was canceled by another one")),
        (Verb::Stop, "canceled", false, None),
        (Verb::Stop, "canceled", true, Some("stop job was canceled by another one")),
        (Verb::Restart, "collected", false, Some("restart job was dropped together with its unit")),
        (Verb::Stop, "timeout", true, Some("stop job timed out")),
        (Verb::Start, "failed", false, Some("start job failed")),
        (Verb::Start, "dependency", false, Some("start job failed because of a dependency")),
        (Verb::Reload, "invalid", false, Some("reload job does not apply to the unit's state")),
        (Verb::Start, "assert", false, Some("start job failed because an assertion of the unit does not hold")),
        (Verb::Start, "unsupported", false, Some("start job is of a kind that this system does not support")),
        (Verb::Start, "once", false, Some("start job was refused, the unit can be started only once")),
        (Verb::Start, "frozen", true, Some("start job was refused, the unit is frozen")),
        (Verb::Start, "brand-new", true, Some("start job ended with the result `brand-new`")),
    ];

    #[test]
    fn each_result_of_a_job_is_told_truthfully() {
        for (verb, result, active, expected) in RESULTS {
            let state = if active { "active" } else { "inactive" };
            let after = live(&[("a.service", state, "", 0)]);
            let job = JobResult {
                unit: "a.service".into(),
                verb,
                result: result.into(),
            };
            let outcome = judge(&Live::default(), &after, &BTreeSet::new(), &[job]);
            let why = outcome.failed.get("a.service").map(String::as_str);
            let expected = expected.map(|why| format!("its {why}"));
            assert_eq!(why, expected.as_deref(), "{verb:?} {result} {active}");
        }
    }

    #[test]
    fn failures_of_others_do_not_fail_the_run() {
        let after = live(&[("else.service", "failed", "failed", 1)]);
        let outcome = judge(&Live::default(), &after, &BTreeSet::new(), &[]);
        assert!(outcome.is_success());
        assert_eq!(outcome.failing_elsewhere.len(), 1);
    }
}
