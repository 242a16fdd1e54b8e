//! The machine: its file system, its service manager, its processes. The only rooms with effects of their own.

pub(crate) mod captured;
pub(crate) mod cgroup;
pub(crate) mod clock;
pub(crate) mod fs;
pub(crate) mod getent;
pub(crate) mod held;
pub(crate) mod kernel;
mod living;
pub(crate) mod mounts;
pub(crate) mod overlay;
mod pipes;
pub(crate) mod process;
pub(crate) mod selinux;
pub(crate) mod signals;
pub(crate) mod syslog;
pub(crate) mod systemd;
pub(crate) mod tether;
pub(crate) mod threads;
