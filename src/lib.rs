//! The parts of `system-manager`. Data flows downwards; see CONTRIBUTING.md for the map.

pub mod accounts;
pub mod activation;
pub mod blocks;
pub mod cli;
pub mod closure;
pub mod compat;
pub mod files;
pub mod host;
pub mod model;
pub mod nar;
pub mod nix;
pub mod remote;
pub mod scripts;
pub mod store;
pub mod tmpfiles;
pub mod units;
