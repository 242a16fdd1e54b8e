//! Marked lines of ours in files of others, such as `/etc/hosts`.

pub mod apply;
pub mod decide;
pub mod observe;
pub mod record;
pub mod report;
