//! A whole activation: from a goal to a plan, and from a plan to an outcome.

pub(crate) mod adopt;
pub(crate) mod apply;
pub(crate) mod beneath;
pub(crate) mod compare;
pub(crate) mod ephemeral;
mod graphics;
pub(crate) mod health;
pub(crate) mod journal;
mod kinds;
mod lost_shells;
pub(crate) mod mend;
pub(crate) mod observe;
pub(crate) mod outcome;
pub(crate) mod outcome_report;
pub(crate) mod packages_report;
pub(crate) mod plan;
mod plan_units;
pub(crate) mod prepare;
pub(crate) mod report;
pub(crate) mod state;
mod state_earlier;
pub(crate) mod status;
pub(crate) mod status_report;
pub(crate) mod sweep;
pub(crate) mod takeover;
pub(crate) mod told;
pub(crate) mod why;
