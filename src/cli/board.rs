//! A line for each of many hosts on a terminal, written anew while they are worked on.
#![expect(clippy::disallowed_methods, reason = "looks at the clock")]

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::cli::print::{end_live, height, tell, tell_live_lines};
use crate::host::threads;
use crate::model::style::count;
use crate::remote::fleet::word;
use crate::remote::frame::without_colors;
use crate::remote::host::{Phase, Watch};
use crate::remote::target::Target;

/// How often it is written anew.
const PACE: Duration = Duration::from_millis(200);

/// How many lines of the terminal are left for what stays: what scrolls away can't be written anew.
const LEFT: usize = 4;

/// How far each host is.
pub(crate) struct Board {
    rows: Mutex<Vec<Row>>,
    changed: Condvar,
}

#[derive(Debug, Clone)]
struct Row {
    host: String,
    at: At,
}

#[derive(Debug, Clone)]
enum At {
    /// It is not its turn yet.
    Waiting,
    /// It is worked on, and what with.
    Working(Instant, String),
    /// It has ended with this exit code, after so long.
    Ended(u8, Duration),
}

impl Board {
    /// Makes one on which all hosts wait.
    #[must_use]
    pub(crate) fn new(targets: &[Target]) -> Self {
        let row = |target: &Target| Row {
            host: target.to_string(),
            at: At::Waiting,
        };
        Self {
            rows: Mutex::new(targets.iter().map(row).collect()),
            changed: Condvar::new(),
        }
    }

    /// Writes it anew and anew while `work` goes on, and takes it away at the end.
    pub(crate) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        std::thread::scope(|scope| {
            let drawing = threads::begin_in(scope, "that shows how far hosts are", || {
                let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
                while !rows.is_empty() {
                    let limit = height().saturating_sub(LEFT).max(1);
                    tell_live_lines(&render(&rows, Instant::now(), limit));
                    let waited = self.changed.wait_timeout(rows, PACE);
                    rows = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                end_live();
            });
            if let Err(error) = drawing {
                tracing::warn!("{error:#}");
            }
            let done = work();
            // Without rows, there is nothing more to show.
            (self.rows.lock())
                .unwrap_or_else(PoisonError::into_inner)
                .clear();
            self.changed.notify_all();
            done
        })
    }

    fn set(&self, index: usize, next: impl FnOnce(&At) -> At) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(row) = rows.get_mut(index) {
            row.at = next(&row.at);
        }
    }

    fn working(&self, index: usize, text: String) {
        self.set(index, |at| match at {
            At::Working(since, _) => At::Working(*since, text),
            At::Waiting | At::Ended(..) => At::Working(Instant::now(), text),
        });
    }

    /// A host has ended.
    pub(crate) fn ended(&self, index: usize, code: u8) {
        self.set(index, |at| match at {
            At::Working(since, _) => At::Ended(code, since.elapsed()),
            At::Waiting | At::Ended(..) => At::Ended(code, Duration::ZERO),
        });
    }
}

/// One line of it, for whoever works on that host.
pub(crate) struct Line<'a> {
    /// The board.
    pub board: &'a Board,
    /// Which line.
    pub index: usize,
    /// Whose line.
    pub target: &'a Target,
}

impl Watch for Line<'_> {
    fn line(&self, line: &str) {
        // What went wrong stays; the rest is how far it is.
        if ["error: ", "hint: "]
            .iter()
            .any(|word| line.starts_with(word))
        {
            tell(&format!("{}: {line}\n", self.target));
        } else {
            self.board.working(self.index, without_colors(line.trim()));
        }
    }

    fn at(&self, phase: &Phase<'_>) {
        self.board.working(self.index, phase.to_string());
    }
}

/// Renders the lines: all of them, or, where these are too many, those that are worked on and a sum. Pure.
fn render(rows: &[Row], now: Instant, limit: usize) -> Vec<String> {
    let is_shown = |row: &&Row| rows.len() <= limit || matches!(row.at, At::Working(..));
    let most = if rows.len() <= limit {
        limit
    } else {
        limit - 1
    };
    let shown: Vec<&Row> = rows.iter().filter(is_shown).take(most).collect();
    let width = shown.iter().map(|row| row.host.len()).max().unwrap_or(0);
    let line = |row: &&Row| {
        let (what, took) = match &row.at {
            At::Waiting => ("waits", None),
            At::Working(since, what) => (what.as_str(), Some(now - *since)),
            At::Ended(code, took) => (word(*code), Some(*took)),
        };
        let took = took.map(|took| format!("{:4.0} s", took.as_secs_f64()));
        format!(
            "{:width$}  {:6}  {what}",
            row.host,
            took.unwrap_or_default()
        )
    };
    let mut lines: Vec<String> = shown.iter().map(line).collect();
    if shown.len() < rows.len() {
        let of = |is: fn(&At) -> bool| rows.iter().filter(|row| is(&row.at)).count();
        lines.push(format!(
            "{}: {} done, {} otherwise ended, {} wait",
            count(rows.len(), "host"),
            of(|at| matches!(at, At::Ended(0 | 10, _))),
            of(|at| matches!(at, At::Ended(1..=9 | 11.., _))),
            of(|at| matches!(at, At::Waiting)),
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: usize) -> Vec<Row> {
        let row = |number: usize| Row {
            host: format!("h{number}"),
            at: At::Waiting,
        };
        (0..count).map(row).collect()
    }

    #[test]
    fn each_host_has_a_line_with_what_it_is_at() {
        let begun = Instant::now();
        let mut few = rows(3);
        few[0].at = At::Ended(5, Duration::from_secs(61));
        few[1].at = At::Working(begun, "sending 1 of 2 MB".to_owned());
        let lines = render(&few, begun + Duration::from_secs(7), 3);
        let expected = [
            "h0    61 s  returned",
            "h1     7 s  sending 1 of 2 MB",
            "h2          waits",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn where_there_are_too_many_those_that_are_worked_on_have_one() {
        let begun = Instant::now();
        let mut many = rows(50);
        many[7].at = At::Working(begun, "activating".to_owned());
        many[8].at = At::Ended(0, Duration::from_secs(2));
        many[9].at = At::Ended(1, Duration::from_secs(2));
        let lines = render(&many, begun, 20);
        let expected = [
            "h7     0 s  activating",
            "50 hosts: 1 done, 1 otherwise ended, 47 wait",
        ];
        assert_eq!(lines, expected);
        // However low the terminal is.
        assert_eq!(render(&many, begun, 1), expected[1..]);
        assert_eq!(render(&many, begun, 2), expected);
    }
}
