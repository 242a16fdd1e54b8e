//! The system's log, by the socket that syslog(3) writes to.

use std::os::unix::net::UnixDatagram;

/// Says something in the system's log.
///
/// # Errors
/// When the system has none.
pub(crate) fn send(text: &str) -> std::io::Result<()> {
    // Priority 6 (info) of facility 3 (daemon), RFC 3164.
    let message = format!("<30>system-manager[{}]: {text}", std::process::id());
    UnixDatagram::unbound()?.send_to(message.as_bytes(), "/dev/log")?;
    Ok(())
}
