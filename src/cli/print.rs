//! What people and scripts read: results on standard output, errors on standard error.

use std::io::Write;

use anyhow::{Context, Result};
use nix::errno::Errno;

/// Prints a result; a reader that has gone away is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("printing the result"),
    }
}

/// Prints a result as JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<()> {
    print(&serde_json::to_string_pretty(value).context("serialising the result")?)
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
    eprintln!("error: {}", causes.join(": "));
    for hint in hints {
        eprintln!("{hint}");
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
        Errno::ENOSPC | Errno::EDQUOT => Some("hint: free some space on that file system"),
        Errno::EACCES | Errno::EPERM => Some("hint: this must run as root, for example with sudo"),
        _ => None,
    }
}
