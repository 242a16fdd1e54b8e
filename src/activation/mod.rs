//! A whole activation: from a goal to a plan, and from a plan to an outcome.

pub mod apply;
pub(crate) mod beneath;
pub mod compare;
pub mod journal;
mod lost_shells;
pub mod mend;
pub mod observe;
pub mod outcome;
pub mod outcome_report;
pub(crate) mod packages_report;
pub mod pages;
pub mod plan;
pub mod prepare;
pub mod report;
pub mod state;
mod state_v1;
pub mod status;
pub mod sweep;
pub mod told;
pub mod why;
