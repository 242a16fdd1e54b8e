//! What people and scripts read: results on standard output, errors on standard error.
#![expect(
    clippy::disallowed_methods,
    reason = "asks the terminal's width of the environment"
)]

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, anyhow};
use nix::errno::Errno;

use crate::activation::outcome::Outcome;
use crate::host::syslog;
use crate::model::conflict::Conflict;

/// Prints a result; a reader that has gone away is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    end_live();
    match writeln!(std::io::stdout(), "{text}") {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("printing the result"),
    }
}

/// Prints a result as JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<()> {
    print(&serde_json::to_string_pretty(value).context("serialising the result")?)
}

/// Standard error. What can't be written there goes to the system's log instead: no run ends because nobody reads on.
pub(crate) struct Told;

/// How many of the last lines on the terminal are live: what is written next takes their place.
static LIVE: Mutex<usize> = Mutex::new(0);

/// How long that line may be, where the terminal does not tell.
const WIDTH: usize = 79;

/// Writes a line in place of the live one, without an end of line.
pub(crate) fn tell_live(text: &str) {
    tell_live_lines(&[text.to_owned()]);
}

/// Writes lines in place of the live ones, without an end of the last.
pub(crate) fn tell_live_lines(lines: &[String]) {
    let width = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    let width: usize = width.map_or(WIDTH, |w: usize| w.saturating_sub(1).max(20));
    let shown = lines.iter().map(|line| {
        let shown = line.chars().filter(|c| !c.is_control()).take(width);
        shown.collect::<String>()
    });
    let shown = shown.collect::<Vec<_>>().join("\n");
    let mut live = live();
    // What can't be shown live is not missed.
    let _ = io::stderr().write_all(format!("{}{shown}", take_away(*live)).as_bytes());
    *live = lines.len();
}

/// Takes the live lines away.
pub(crate) fn end_live() {
    end_these(&mut live());
}

fn live() -> MutexGuard<'static, usize> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end_these(live: &mut usize) {
    if *live > 0 {
        // They are not missed either.
        let _ = io::stderr().write_all(take_away(*live).as_bytes());
        *live = 0;
    }
}

/// Returns what takes so many lines away, the cursor being at the end of the last. Pure.
fn take_away(lines: usize) -> String {
    match lines {
        0 | 1 => "\r\x1b[K".to_owned(),
        more => format!("\r\x1b[{}A\x1b[J", more - 1),
    }
}

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // No live line comes in between.
        let mut live = live();
        end_these(&mut live);
        if io::stderr().write_all(bytes).is_err() {
            let text = String::from_utf8_lossy(bytes);
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            for line in lines {
                // There is no one left to tell that it can't be told.
                let _ = syslog::send(line);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Says something on standard error, without an end of line.
pub(crate) fn tell(text: &str) {
    // It never fails.
    let _ = Told.write_all(text.as_bytes());
}

/// Prints an error on one line, and its hints on lines of their own.
pub(crate) fn print_error(error: &anyhow::Error) {
    let mut hints = Vec::new();
    let mut causes = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string();
        let (rows, found): (Vec<_>, Vec<_>) = text
            .lines()
            .map(str::to_owned)
            .partition(|l| !l.starts_with("hint: "));
        causes.push(rows.join("\n"));
        hints.extend(found);
    }
    if hints.is_empty() {
        hints.extend(remedy(error).map(str::to_owned));
    }
    tell(&format!("error: {}\n", causes.join(": ")));
    for hint in hints {
        tell(&format!("{hint}\n"));
    }
}

/// Prints the first conflict as an error, and how many more there are.
pub(crate) fn print_refusal(conflicts: &[Conflict]) {
    let Some(first) = conflicts.first() else {
        return;
    };
    let more = and_more(conflicts.len() - 1, "conflict");
    let Conflict {
        subject,
        cause,
        remedy,
    } = first;
    print_error(&anyhow!("{subject} {cause}{more}\nhint: {remedy}"));
}

/// Prints the first thing that went wrong as an error, and how many more there are.
pub(crate) fn print_failure(outcome: &Outcome) {
    let failures = outcome.failures();
    if let Some((first, hint)) = failures.first() {
        let more = and_more(failures.len() - 1, "failure");
        print_error(&anyhow!("{first}{more}\nhint: {hint}"));
    }
}

fn and_more(count: usize, what: &str) -> String {
    match count {
        0 => String::new(),
        1 => format!(", and 1 more {what}"),
        n => format!(", and {n} more {what}s"),
    }
}

/// Gives the remedy for what the operating system refuses, whatever it was asked for.
fn remedy(error: &anyhow::Error) -> Option<&'static str> {
    let errno = error.chain().find_map(|cause| {
        let io = || cause.downcast_ref::<std::io::Error>()?.raw_os_error();
        cause
            .downcast_ref::<Errno>()
            .copied()
            .or_else(|| io().map(Errno::from_raw))
    })?;
    match errno {
        Errno::EROFS => Some("hint: remount that file system read-write"),
        Errno::ENOSPC => Some("hint: free some space on that file system"),
        Errno::EDQUOT => {
            Some("hint: free some space there, or raise the quota of that file system")
        }
        Errno::EACCES | Errno::EPERM => Some("hint: this must run as root, for example with sudo"),
        _ => None,
    }
}
