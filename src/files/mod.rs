//! Files below `/etc`.

pub mod decide;
pub mod diff;
pub mod record;
pub mod wanted;
