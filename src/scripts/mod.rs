//! Activation scripts.

pub(crate) mod apply;
pub(crate) mod decide;
pub(crate) mod record;
pub(crate) mod report;
