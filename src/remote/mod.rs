//! Other hosts: evaluated and built here, planned and activated there by the activator that comes with the toplevel.
//!
//! ```text
//! deployer:  probe -> build -> what is missing -> run there, apart from the connection -> follow -> confirm anew
//! target:    agent: paths, plan; a run of its own: activation; a service of its own: return unless confirmed
//! ```

pub(crate) mod agent;
pub(crate) mod built;
pub(crate) mod closure;
pub(crate) mod confirm;
pub(crate) mod connection;
pub(crate) mod fleet;
pub(crate) mod frame;
pub(crate) mod host;
mod incoming;
pub(crate) mod link;
pub(crate) mod message;
mod outgoing;
pub(crate) mod password;
pub(crate) mod probe;
pub(crate) mod runs;
mod ssh_errors;
pub(crate) mod target;
