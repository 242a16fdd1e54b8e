//! Marked lines of ours in files of others, such as `/etc/hosts`.

pub(crate) mod apply;
pub(crate) mod decide;
pub(crate) mod observe;
pub(crate) mod record;
pub(crate) mod report;
