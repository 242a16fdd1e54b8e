//! What is kept in `/var/lib/system-manager` and the profile: lock, generations, backups.

pub mod backups;
pub mod generations;
pub mod lock;
pub mod pending;
