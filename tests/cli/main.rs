//! The real program on a temporary root, as a stranger meets it.
#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

mod bad_input;
mod blocks;
mod compat;
mod compat_nixos;
mod drift;
mod etc;
mod foreign;
mod generations;
mod kill;
#[path = "../needs/mod.rs"]
mod needs;
#[path = "../nix_fixture/mod.rs"]
mod nix_fixture;
mod obstacles;
mod output;
mod scripts;
mod still;
mod story;
mod strace;
mod truth;
