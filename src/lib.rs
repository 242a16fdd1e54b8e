//! The parts of `system-manager`. Data flows downwards; see CONTRIBUTING.md for the map.

pub mod accounts;
pub mod login_defs;
pub mod manifest;
pub mod names;
