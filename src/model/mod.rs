//! The ground floor: names, nodes and what a configuration wants. No effects.

pub(crate) mod awaited;
pub(crate) mod base64;
pub(crate) mod conflict;
pub(crate) mod fuzzy;
pub(crate) mod in_etc;
pub(crate) mod in_order;
pub(crate) mod job;
pub(crate) mod json;
pub(crate) mod links;
pub(crate) mod manifest;
pub(crate) mod names;
pub(crate) mod node;
pub(crate) mod owners;
pub(crate) mod packages;
pub(crate) mod page;
pub(crate) mod style;
pub(crate) mod text;
pub(crate) mod text_diff;
pub(crate) mod time;
pub(crate) mod wrap;
