//! The clock.
#![expect(clippy::disallowed_methods, reason = "is the clock")]

use std::time::{SystemTime, UNIX_EPOCH};

/// The time in seconds since 1970.
pub(crate) fn now() -> u64 {
    // A clock before 1970 only spoils a time stamp.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}

/// When this machine booted, in seconds since 1970; none where the kernel does not tell.
pub(crate) fn booted_at() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let time = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    time.trim().parse().ok()
}
