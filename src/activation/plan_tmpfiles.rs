//! The part of a plan that is about tmpfiles rules, which are applied when the plan's files are in place.

use anyhow::Result;

use crate::activation::observe::Observed;
use crate::files::decide::{FilesPlan, Verb};
use crate::files::wanted::Desired;
use crate::host::fs::Root;
use crate::model::conflict::Conflict;
use crate::model::node::{Id, Kind, Node, Object};
use crate::model::owners::Owners;
use crate::tmpfiles::apply::{is_rules, read_foreign, read_ours, read_specifiers};
use crate::tmpfiles::decide::{self, Facts, TmpfilesPlan};
use crate::tmpfiles::record::TmpfilesRecord;
use crate::tmpfiles::tree::{World, parents};

/// Predicts what rules do once the files of the plan are in place. They are looked at when one of their files changes, and
/// again after an interruption, or when something failed.
///
/// # Errors
/// When a rule, or what it is about, can't be read.
pub(super) fn plan_tmpfiles(
    root: &Root,
    desired: &Desired,
    files: &FilesPlan,
    observed: &Observed,
    owners: &Owners,
) -> Result<(TmpfilesPlan, Vec<Conflict>)> {
    let recorded = &observed.state.tmpfiles;
    let changed = files.changes().any(|c| is_rules(&c.target));
    if !changed && observed.interrupted.is_none() && recorded.failed.is_empty() {
        return Ok(<_>::default());
    }
    let ours = read_ours(desired)?;
    if ours.is_empty() && *recorded == TmpfilesRecord::default() {
        return Ok(<_>::default());
    }
    let later = with_files(root, files)?;
    decide::plan_tmpfiles(&Facts {
        ours: &ours,
        foreign: &read_foreign(root, desired, &observed.state.files)?,
        recorded,
        specifiers: &read_specifiers(root)?,
        owners,
        host: &later,
    })
}

/// Returns the host as it is once the plan's files are in place: a rule may copy one of them.
fn with_files<'r>(root: &'r Root, files: &FilesPlan) -> Result<World<'r>> {
    let mut world = World::new(root);
    for change in files.changes() {
        if matches!(change.verb, Verb::Adopt | Verb::Forget) {
            continue;
        }
        let path = format!("/etc/{}", change.target);
        let Some(object) = object_of(&change.after) else {
            world.remove(&path);
            continue;
        };
        for above in parents(&path) {
            if world.look(above)?.is_none() {
                world.place(above, of_root(Kind::Folder, 0o755))?;
            }
        }
        world.place(&path, object)?;
    }
    Ok(world)
}

fn of_root(kind: Kind, mode: u32) -> Object {
    Object {
        kind,
        mode,
        user: Id::Number(0),
        group: Id::Number(0),
    }
}

fn object_of(node: &Node) -> Option<Object> {
    match node {
        Node::Link { to } => Some(of_root(Kind::Link { to: to.to_string() }, 0o777)),
        Node::File {
            sha256,
            mode,
            uid,
            gid,
        } => Some(Object {
            kind: Kind::File {
                content: Some(sha256.clone()),
            },
            mode: *mode,
            user: Id::Number(*uid),
            group: Id::Number(*gid),
        }),
        Node::Folder => Some(of_root(Kind::Folder, 0o755)),
        Node::Absent | Node::Special | Node::Blocked { .. } => None,
    }
}
