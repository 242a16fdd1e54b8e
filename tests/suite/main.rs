//! All integration tests, as one program.
#![expect(clippy::disallowed_methods, reason = "tests read, write and spawn")]
#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

mod account_files;
mod accounts;
mod builders;
mod chance;
mod cli;
mod compat;
mod docs;
mod eval;
mod every_kind;
mod flake;
mod fuzz;
mod guides;
mod layers;
mod mistakes;
mod moving_over;
mod nar;
mod needs;
mod nix_fixture;
mod properties;
mod schema;
mod tmpfiles;
mod tmpfiles_table;
mod unit_differential;
mod why;
mod world;
