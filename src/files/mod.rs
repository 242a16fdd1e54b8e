//! Files below `/etc`.

pub mod built;
pub mod consumers;
pub mod decide;
pub mod diff;
pub mod observe;
pub mod record;
pub(crate) mod report;
pub mod reserved;
pub mod vendor;
pub mod wanted;
