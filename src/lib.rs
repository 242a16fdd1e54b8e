//! The parts of `system-manager`. Data flows downwards; see CONTRIBUTING.md for the map.
#![cfg_attr(
    test,
    expect(clippy::disallowed_methods, reason = "tests read and write")
)]

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
