//! Users and groups.

pub(crate) mod apply;
pub(crate) mod changes;
pub(crate) mod check;
pub(crate) mod database;
pub(crate) mod decide;
pub(crate) mod entry;
mod forsaken;
pub(crate) mod ids;
pub(crate) mod lock;
pub(crate) mod login_defs;
pub(crate) mod observe;
pub(crate) mod password;
pub(crate) mod record;
pub(crate) mod record_file;
mod record_v1;
pub(crate) mod report;
pub(crate) mod shells;
pub(crate) mod sub_ids;
