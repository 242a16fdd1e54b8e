//! The kinds of things that own something below the root: what is asked of all of them alike, a row for each.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::activation::plan::Plan;
use crate::activation::state::State;
use crate::host::fs::Root;
use crate::model::manifest::Basics;
use crate::model::names::TargetPath;
use crate::model::node::Object;
use crate::store::kind::Planned;
use crate::store::owned::{Claiming, Owns, Record as _};
use crate::{basics, blocks, files, tmpfiles};

/// What the host shows of each.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Files and folders below `/etc`.
    pub files: files::decide::Seen,
    /// Files of others that have lines of ours.
    pub blocks: BTreeMap<TargetPath, blocks::decide::Seen>,
    /// The host's basics, where any are ours.
    pub basics: basics::decide::Seen,
    /// What tmpfiles rules of an interrupted run may have made.
    pub tmpfiles: BTreeMap<String, Option<Object>>,
}

impl Seen {
    /// Looks at what is ours by a state, of all but files.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn read(root: &Root, state: &State, files: files::decide::Seen) -> Result<Self> {
        Ok(Self {
            files,
            blocks: blocks::observe::observe(root, state.blocks.0.keys())?,
            basics: basics::observe::observe(root, &Basics::default(), &state.basics, false)?,
            tmpfiles: tmpfiles::observe::observe(root, &state.tmpfiles)?,
        })
    }
}

/// Calls a verb of the record of each, with what it has to know of its kind.
macro_rules! each_record {
    ($state:ident.$verb:ident($of:ident $(, $more:expr)?)) => {
        $state.files.$verb(&$of.files $(, $more)?);
        $state.blocks.$verb(&$of.blocks $(, $more)?);
        $state.basics.$verb(&$of.basics $(, $more)?);
        $state.tmpfiles.$verb(&$of.tmpfiles $(, $more)?);
    };
}

/// Resolves what a stopped activation left open, by what the host shows. Pure.
pub(crate) fn settle(state: &mut State, seen: &Seen) {
    each_record!(state.settle(seen));
}

/// Writes down what an activation is about to do. Pure.
pub(crate) fn claim(state: &mut State, plan: &Plan, now: u64) {
    let backups = &mut state.backups;
    let claiming = &mut Claiming { backups, now };
    each_record!(state.claim(plan, claiming));
}

/// Notes that all of a plan has been done. Pure.
pub(crate) fn commit(state: &mut State, plan: &Plan) {
    each_record!(state.commit(plan));
}

/// Returns the records, for what is asked of them without a plan.
pub(crate) fn owners(state: &State) -> [&dyn Owns; 4] {
    [&state.files, &state.blocks, &state.basics, &state.tmpfiles]
}

/// Returns the plans of those whose changes need no place of their own; the others have theirs in `Plan::steps`.
pub(crate) fn planned(plan: &Plan) -> [&dyn Planned; 2] {
    [&plan.blocks, &plan.basics]
}
