//! Files below `/etc`.

pub(crate) mod apply;
pub(crate) mod built;
pub(crate) mod consumers;
pub(crate) mod decide;
pub(crate) mod diff;
pub(crate) mod observe;
pub(crate) mod record;
pub(crate) mod report;
pub(crate) mod reserved;
pub(crate) mod vendor;
pub(crate) mod wanted;
