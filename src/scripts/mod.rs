//! Activation scripts.

pub(crate) mod apply;
pub(crate) mod decide;
