//! Activation scripts.

pub mod apply;
pub mod decide;
