//! Marked lines of ours in files of others, such as `/etc/hosts`.

pub mod decide;
pub mod record;
pub mod report;
