//! The machine: its file system, its service manager, its processes. The only rooms with effects of their own.

pub mod clock;
pub mod fs;
pub mod getent;
pub mod held;
mod pipes;
pub mod process;
pub mod selinux;
pub mod signals;
pub mod syslog;
pub mod systemd;
pub mod tether;
pub mod threads;
