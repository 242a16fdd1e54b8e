//! Users and groups.

pub mod apply;
pub(crate) mod changes;
pub mod check;
pub mod database;
pub mod decide;
pub mod entry;
pub mod ids;
pub mod lock;
pub mod login_defs;
pub mod observe;
pub mod password;
pub mod record;
pub mod record_file;
mod record_v1;
pub mod shells;
pub mod sub_ids;
