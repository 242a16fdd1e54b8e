//! Rules of `tmpfiles.d`: what they will do, and how it is undone.

mod adjust;
pub(crate) mod apply;
pub(crate) mod decide;
pub(crate) mod glob;
pub(crate) mod line;
pub(crate) mod observe;
mod order;
pub(crate) mod record;
pub(crate) mod report;
mod rules;
pub(crate) mod tree;
pub(crate) mod words;
