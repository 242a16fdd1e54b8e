//! The ground floor: names, nodes and what a configuration wants. No effects.

pub mod conflict;
pub mod job;
pub mod manifest;
pub mod names;
pub mod node;
pub mod owners;
pub mod packages;
pub mod style;
pub mod text_diff;
pub mod time;
