//! The parts of `system-manager`. Data flows downwards; see CONTRIBUTING.md for the map.
#![cfg_attr(
    test,
    expect(clippy::disallowed_methods, reason = "tests read and write")
)]
// Rooms are private: what is seen from outside is in face.rs.
#![deny(unreachable_pub)]

mod accounts;
mod activation;
mod basics;
mod blocks;
mod cli;
mod closure;
mod compat;
pub mod face;
mod files;
mod host;
mod model;
mod nar;
#[cfg(test)]
mod needs;
mod nix;
mod remote;
mod scripts;
mod store;
mod tmpfiles;
mod units;

pub use cli::run;
