//! Units of systemd: what a change asks of each, and carrying it out.

pub mod apply;
pub mod beneath;
pub mod decide;
pub mod failures;
pub mod file;
pub mod hold;
pub mod layers;
pub mod observe;
pub mod outcome;
pub mod read;
pub mod requests;
pub mod set;
pub mod users;
pub mod verify;
