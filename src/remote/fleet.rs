//! Many hosts: which go at the same time, which wait for others, when it is enough; and what is told of all of them.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, anyhow, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::host::threads;

use super::frame::escape;
use super::host::Went;

/// How hosts follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// How many at the same time.
    pub parallel: usize,
    /// How many to begin with.
    pub canary: Option<usize>,
    /// How many then, before the next ones.
    pub batch: Option<usize>,
    /// How many may fail.
    pub max_failures: usize,
}

/// Reads `N` or `P%` of a number of hosts. Pure.
///
/// # Errors
/// When it is neither.
pub(crate) fn parse_batch(text: &str, hosts: usize) -> Result<usize> {
    let number = |text: &str| text.parse().ok().filter(|n: &usize| *n > 0);
    let size = match text.strip_suffix('%') {
        Some(percent) => number(percent)
            .filter(|p| *p <= 100)
            .map(|p| (hosts * p).div_ceil(100).max(1)),
        None => number(text),
    };
    match size {
        Some(size) => Ok(size),
        None => {
            bail!("{text:?} is not a batch size: write a number or a percentage, such as 5 or 20%")
        }
    }
}

impl Pace {
    /// Cuts a number of hosts into those that go together. Pure.
    #[must_use]
    pub(crate) fn batches(&self, hosts: usize) -> Vec<std::ops::Range<usize>> {
        let (mut begin, mut next) = (0, self.canary.or(self.batch));
        let mut batches = Vec::new();
        while begin < hosts {
            let end = begin.saturating_add(next.unwrap_or(hosts)).min(hosts);
            batches.push(begin..end);
            begin = end;
            next = self.batch;
        }
        batches
    }

    /// Does something with each of the hosts. Returns how it went, in their order; those that were not begun say so.
    pub(crate) fn run(&self, hosts: usize, work: &(dyn Fn(usize) -> Went + Sync)) -> Vec<Went> {
        let results: Vec<Mutex<Option<Went>>> = (0..hosts).map(|_| Mutex::new(None)).collect();
        let failures = AtomicUsize::new(0);
        let enough = || failures.load(Ordering::SeqCst) > self.max_failures;
        for batch in self.batches(hosts) {
            let next = AtomicUsize::new(batch.start);
            let work_on = || {
                while !enough() {
                    let index = next.fetch_add(1, Ordering::SeqCst);
                    if index >= batch.end {
                        return;
                    }
                    let went = work(index);
                    if !matches!(went.code, 0 | 10) {
                        failures.fetch_add(1, Ordering::SeqCst);
                    }
                    *results[index]
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner) = Some(went);
                }
            };
            std::thread::scope(|scope| {
                for _ in 1..self.parallel.min(batch.len()) {
                    if let Err(error) = threads::begin_in(scope, "for a host", work_on) {
                        tracing::warn!("fewer hosts at the same time: {error:#}");
                        break;
                    }
                }
                // This thread is one of them.
                work_on();
            });
        }
        let not_begun = || Went::refused(anyhow!("not started, since too many others had failed"));
        results
            .into_iter()
            .map(|r| r.into_inner().unwrap_or_else(PoisonError::into_inner))
            .map(|r| r.unwrap_or_else(not_begun))
            .collect()
    }
}

/// From what is worst to what is best; exit codes of hosts.
const WORST_FIRST: [u8; 6] = [3, 5, 4, 1, 2, 10];

/// Returns the exit code for all hosts: the worst one. Pure.
#[must_use]
pub(crate) fn exit_code(codes: &[u8]) -> u8 {
    let known = WORST_FIRST.into_iter().find(|code| codes.contains(code));
    known
        .or_else(|| codes.iter().copied().find(|c| *c != 0))
        .unwrap_or(0)
}

/// What `--json` prints for more than one host.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recap {
    /// Format version.
    pub version: u32,
    /// Each host.
    pub hosts: Vec<Row>,
}

/// One host of it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// As it was named.
    pub host: String,
    /// The exit code that the command would have had for it alone.
    pub code: u8,
    /// What went wrong.
    pub error: Option<String>,
    /// What the command printed there, if that is JSON.
    pub result: Option<serde_json::Value>,
}

/// Writes what went wrong with a host, without its name, which is said before. Pure.
#[must_use]
pub(crate) fn show_error(host: &str, error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let named = text.strip_prefix(host).and_then(|t| t.strip_prefix(": "));
    escape(named.unwrap_or(&text))
}

/// Makes a host's row. Pure.
#[must_use]
pub(crate) fn row(host: &str, went: &Went) -> Row {
    Row {
        host: host.to_owned(),
        code: went.code,
        error: went.error.as_ref().map(|e| show_error(host, e)),
        result: serde_json::from_str(&went.output).ok(),
    }
}

/// Renders a table of how it went, and a last line that sums up. Pure.
#[must_use]
pub(crate) fn render(rows: &[Row]) -> String {
    let width = rows.iter().map(|r| r.host.len()).max().unwrap_or(0);
    let mut text = String::new();
    for row in rows {
        let error = row.error.as_deref().unwrap_or_default();
        let error = error.lines().next().unwrap_or_default();
        let line = format!("{:width$}  {:9}  {}", row.host, word(row.code), error);
        text += line.trim_end();
        text += "\n";
    }
    let mut sums: Vec<String> = Vec::new();
    for code in [0, 10, 4, 5, 1, 2, 3] {
        let count = rows.iter().filter(|r| r.code == code).count();
        if count > 0 {
            sums.push(format!("{count} {}", word(code)));
        }
    }
    text + &format!("total: {}\n", sums.join(", "))
}

/// Returns how a host ended, in a word. Pure.
#[must_use]
pub(crate) fn word(code: u8) -> &'static str {
    match code {
        0 => "done",
        10 => "changes",
        4 => "failed",
        5 => "returned",
        3 => "part-way",
        _ => "refused",
    }
}

/// The hosts on which the last run did not go well, for `--retry-failed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LastRun {
    /// Format version.
    pub version: u32,
    /// These hosts.
    pub failed: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        Pace {
            parallel: 3,
            canary: None,
            batch: None,
            max_failures: usize::MAX,
        }
    }

    fn went(code: u8) -> Went {
        Went {
            code,
            output: String::new(),
            error: None,
        }
    }

    #[test]
    fn hosts_go_in_the_batches_that_were_asked_for() {
        for (canary, batch, expected) in [
            (None, None, "0..7"),
            (Some(1), None, "0..1 1..7"),
            (None, Some(3), "0..3 3..6 6..7"),
            (Some(1), Some(4), "0..1 1..5 5..7"),
            (Some(9), None, "0..7"),
        ] {
            let pace = Pace {
                canary,
                batch,
                ..pace()
            };
            let shown: Vec<String> = pace.batches(7).iter().map(|b| format!("{b:?}")).collect();
            assert_eq!(shown.join(" "), expected);
        }
        assert_eq!(parse_batch("20%", 7).unwrap(), 2);
        assert_eq!(parse_batch("1%", 7).unwrap(), 1);
        assert_eq!(parse_batch("5", 7).unwrap(), 5);
        for text in ["0", "", "x", "101%", "-1", "%"] {
            assert!(parse_batch(text, 7).is_err(), "{text}");
        }
    }

    #[test]
    fn each_host_has_its_own_end_and_the_worst_is_that_of_all() {
        let all = pace().run(50, &|i| went(if i % 10 == 3 { 4 } else { 0 }));
        for (index, went) in all.iter().enumerate() {
            assert_eq!(went.code, if index % 10 == 3 { 4 } else { 0 });
        }
        for (codes, expected) in [
            (vec![0, 0], 0),
            (vec![0, 10], 10),
            (vec![10, 4, 1], 4),
            (vec![4, 5, 0], 5),
            (vec![5, 3, 4], 3),
            (vec![], 0),
        ] {
            assert_eq!(exit_code(&codes), expected, "{codes:?}");
        }
    }

    #[test]
    fn no_batch_begins_after_one_that_failed() {
        let begun = AtomicUsize::new(0);
        let pace = Pace {
            canary: Some(1),
            max_failures: 0,
            ..pace()
        };
        let all = pace.run(9, &|_| {
            begun.fetch_add(1, Ordering::SeqCst);
            went(1)
        });
        assert_eq!(begun.load(Ordering::SeqCst), 1);
        let said = all[8].error.as_ref().map(ToString::to_string);
        assert!(said.unwrap().contains("not started"));
    }

    #[test]
    fn the_table_says_the_truth_of_each_host_in_a_line() {
        let rows = [
            row("web", &went(0)),
            row(
                "db:2222",
                &Went {
                    error: Some(anyhow!("it \x1b[2J\nhint: x")),
                    ..went(1)
                },
            ),
        ];
        let table = render(&rows);
        assert_eq!(
            table,
            "web      done\ndb:2222  refused    it \\u{1b}[2J\ntotal: 1 done, 1 refused\n"
        );
    }
}
