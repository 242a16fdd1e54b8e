//! The parts of `system-manager`. Data flows downwards; see CONTRIBUTING.md for the map.

pub mod account_record;
pub mod account_rows;
pub mod accounts;
pub mod login_defs;
pub mod manifest;
pub mod names;
pub mod password;
pub mod root;
pub mod subid;
mod unit_active;
pub mod unit_file;
pub mod unit_outcome;
pub mod unit_set;
mod unit_start;
pub mod units;
pub mod user_check;
pub mod user_effects;
pub mod user_ids;
pub mod user_plan;
pub mod user_report;
pub mod user_rows;
pub mod users;
