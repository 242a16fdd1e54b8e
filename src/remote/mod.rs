//! Other hosts: evaluated and built here, planned and activated there by the activator that comes with the toplevel.
//!
//! ```text
//! deployer:  probe -> build -> what is missing -> run there, apart from the connection -> follow -> confirm anew
//! target:    agent: paths, plan; a run of its own: activation; a service of its own: return unless confirmed
//! ```

pub mod agent;
pub mod closure;
pub mod confirm;
pub mod connection;
pub mod fleet;
pub mod frame;
pub mod host;
pub mod link;
pub mod message;
pub mod probe;
pub mod runs;
pub mod target;
