//! Units of systemd: what a change asks of each, and carrying it out.

pub(crate) mod apply;
pub(crate) mod beneath;
pub(crate) mod decide;
pub(crate) mod failures;
pub(crate) mod file;
pub(crate) mod hold;
pub(crate) mod layers;
pub(crate) mod observe;
pub(crate) mod outcome;
pub(crate) mod read;
pub(crate) mod record;
pub(crate) mod report;
pub(crate) mod requests;
pub(crate) mod set;
pub(crate) mod users;
pub(crate) mod verify;
