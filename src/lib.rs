//! The parts of `system-manager`. Data flows downwards; see CONTRIBUTING.md for the map.

pub mod accounts;
pub mod login_defs;
pub mod manifest;
pub mod names;
mod unit_active;
pub mod unit_file;
pub mod unit_outcome;
pub mod unit_set;
mod unit_start;
pub mod units;
