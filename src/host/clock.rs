//! The clock.
#![expect(clippy::disallowed_methods, reason = "is the clock")]

use std::time::{SystemTime, UNIX_EPOCH};

/// The time in microseconds since 1970, as systemd gives it.
pub(crate) fn now_in_micros() -> u64 {
    // A clock before 1970, or far beyond, only spoils a time stamp.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|d| u64::try_from(d.as_micros()).ok())
        .unwrap_or_default()
}

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
