//! The ground floor: names, nodes and what a configuration wants. No effects.

pub mod manifest;
pub mod names;
pub mod owners;
