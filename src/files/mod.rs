//! Files below `/etc`.

pub mod built;
pub mod consumers;
pub mod decide;
pub mod diff;
pub mod record;
pub mod reserved;
pub mod vendor;
pub mod wanted;
