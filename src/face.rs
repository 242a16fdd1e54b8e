//! What integration tests and benchmarks use of the rooms: nothing else of them can be reached from outside.

/// Accounts, in memory and on disk.
pub mod accounts {
    pub use crate::accounts::apply::read_owners;
    pub use crate::accounts::database::{AccountBytes, AccountFile};
    pub use crate::accounts::decide::{
        AccountsPlan, Home, Inputs, Observed, Refusal, Scripts, find_drift, no_accounts,
        plan_accounts,
    };
    pub use crate::accounts::ids::NoNss;
    pub use crate::accounts::login_defs::parse_login_defs;
    pub use crate::accounts::observe::{
        Step, apply_accounts, apply_step, lock_accounts, observe_accounts, salts, steps, sweep,
    };
    pub use crate::accounts::password::verify_password;
    pub use crate::accounts::record::AccountsRecord;
    pub use crate::accounts::record_file::read_record;
}

/// An activation, from a goal to its steps.
pub mod activation {
    pub use crate::activation::apply::Progress;
    pub use crate::activation::compare::Difference;
    pub use crate::activation::outcome::Outcome;
    pub use crate::activation::plan::{Goal, Plan, Step, TellingPlan};
    pub use crate::activation::prepare::{How, prepare};
    pub use crate::activation::state::State;
    pub use crate::activation::status::Status;
    pub use crate::activation::told::Told;
}

/// The door.
pub mod cli {
    pub use crate::cli::args::{ApplyArgs, Cli};
    pub use crate::cli::commands::{Failure, activate};
}

/// What is known of modules.
pub mod compat {
    pub use crate::compat::verdict::Survey;
}

pub mod fuzz;

/// Files.
pub mod files {
    pub use crate::files::decide::{KeepReason, Verb};
}

/// The host.
pub mod host {
    pub use crate::host::fs::Root;
}

/// Other hosts.
pub mod remote {
    pub use crate::remote::fleet::Recap;
}

/// Words.
pub mod model {
    pub use crate::model::manifest::{Accounts, Group, Manifest, SubIdRange, User};
    pub use crate::model::node::{Kind, Node, Object, sha256_of};
}

/// Archives.
pub mod nar {
    pub use crate::nar::{unpack, write};
}

/// What is kept.
pub mod store {
    pub use crate::store::backups::Backups;
    pub use crate::store::owned::{Claiming, Owned, Record};
    pub use crate::store::toplevel::read_manifest;
}

/// Rules of tmpfiles.d, in memory and on disk.
pub mod tmpfiles {
    pub use crate::tmpfiles::apply::apply;
    pub use crate::tmpfiles::decide::{Facts, RulesFile, TmpfilesPlan, plan_tmpfiles, verify};
    pub use crate::tmpfiles::observe::observe;
    pub use crate::tmpfiles::record::{Applied, Made, TmpfilesRecord};
    pub use crate::tmpfiles::tree::Host;
    pub use crate::tmpfiles::words::Specifiers;
}

/// The decision about units.
pub mod units {
    pub use crate::units::decide::{
        Facts, Ground, Options, Seeds, Sight, UnitAction, complete, decide,
    };
    pub use crate::units::failures::Failures;
    pub use crate::units::set::{Live, LiveUnit, UnitSet};
}
