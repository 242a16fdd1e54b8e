//! What people and scripts read: results on standard output, errors on standard error.
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, anyhow};
use nix::errno::Errno;

use crate::activation::outcome::Outcome;
use crate::host::syslog;
use crate::model::conflict::Conflict;
use crate::model::style::Style;
use crate::model::wrap::wrap;

/// Prints a result; a reader that has gone away is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    end_live();
    match writeln!(std::io::stdout(), "{text}") {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("printing the result"),
    }
}

/// Prints a result for people, in which store paths are links where the terminal has them.
pub(crate) fn print_text(text: &str, style: Style) -> Result<()> {
    let text = style.with_links(text.trim_end());
    match width_of(&io::stdout()) {
        Some(width) => print(&wrap(&text, width)),
        None => print(&text),
    }
}

/// Prints a result as JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<()> {
    print(&serde_json::to_string_pretty(value).context("serialising the result")?)
}

/// Standard error. What can't be written there goes to the system's log instead: no run ends because nobody reads on.
pub(crate) struct Told;

/// The last lines on the terminal, if they are such as stay the last: what is said meanwhile comes above them.
static LIVE: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// How wide a terminal is that does not tell.
const WIDTH: usize = 80;

/// Returns the width of a terminal; none where it is none, or does not tell.
fn width_of(stream: &impl AsFd) -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(stream)?;
    Some(usize::from(width.0)).filter(|width| *width > 0)
}

/// How high a terminal is that does not tell.
const HEIGHT: usize = 24;

/// Returns how many lines standard error shows at once.
pub(crate) fn height() -> usize {
    let size = terminal_size::terminal_size_of(io::stderr());
    let height = size.map(|(_, height)| usize::from(height.0));
    height.filter(|height| *height > 0).unwrap_or(HEIGHT)
}

/// Writes a line in place of the live one, without an end of line.
pub(crate) fn tell_live(text: &str) {
    tell_live_lines(&[text.to_owned()]);
}

/// Writes lines in place of the live ones, without an end of the last.
pub(crate) fn tell_live_lines(lines: &[String]) {
    // What fills the last column makes some terminals go on with the next line.
    let width = width_of(&io::stderr()).unwrap_or(WIDTH).max(21) - 1;
    let shown = lines.iter().map(|line| {
        let shown = line.chars().filter(|c| !c.is_control()).take(width);
        shown.collect::<String>()
    });
    let mut live = live();
    let before = std::mem::replace(&mut *live, shown.collect());
    // What can't be shown live is not missed.
    let _ = io::stderr()
        .write_all(format!("{}{}", take_away(before.len()), live.join("\n")).as_bytes());
}

/// Takes the live lines away.
pub(crate) fn end_live() {
    let live = std::mem::take(&mut *live());
    if !live.is_empty() {
        // They are not missed either.
        let _ = io::stderr().write_all(take_away(live.len()).as_bytes());
    }
}

fn live() -> MutexGuard<'static, Vec<String>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
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
        let length = bytes.len();
        let text = String::from_utf8_lossy(bytes);
        let text = match width_of(&io::stderr()) {
            Some(width) => wrap(&text, width),
            None => text.into_owned(),
        };
        let bytes = text.as_bytes();
        // No live line comes in between.
        let live = live();
        let written = if live.is_empty() {
            io::stderr().write_all(bytes)
        } else {
            let (above, below) = (take_away(live.len()), live.join("\n"));
            io::stderr().write_all(&[above.as_bytes(), bytes, below.as_bytes()].concat())
        };
        if written.is_err() {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            for line in lines {
                // There is no one left to tell that it can't be told.
                let _ = syslog::send(line);
            }
        }
        Ok(length)
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

/// Prints the error for which a command did nothing. There is always something that can be done.
pub(crate) fn print_refused(error: &anyhow::Error) {
    const ANEW: &str = "hint: correct this, and run the same command again";
    print_with(error, Some(ANEW));
}

/// Prints an error on one line, and its hints on lines of their own.
pub(crate) fn print_error(error: &anyhow::Error) {
    print_with(error, None);
}

fn print_with(error: &anyhow::Error, otherwise: Option<&str>) {
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
        hints.extend(remedy(error).or(otherwise).map(str::to_owned));
    }
    let rows = [vec![format!("error: {}", causes.join(": "))], hints].concat();
    tell(&format!("{}\n", rows.join("\n")));
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
        Errno::EAGAIN => Some("hint: end some processes, or raise the limits on them"),
        Errno::EACCES | Errno::EPERM => Some("hint: this must run as root, for example with sudo"),
        _ => None,
    }
}
