//! Rules of `tmpfiles.d`: what they will do, and how it is undone.

mod adjust;
pub mod apply;
pub mod decide;
mod glob;
pub mod line;
pub mod observe;
mod order;
pub mod record;
mod rules;
pub mod tree;
pub mod words;
