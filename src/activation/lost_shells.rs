//! Shells that accounts lose because a switch repoints or removes what leads to them.
#![expect(clippy::disallowed_methods, reason = "looks at shells")]

use std::path::Path;

use anyhow::{Context, Result};

use crate::accounts::apply::Decided;
use crate::accounts::shells::{Becomes, Stands};
use crate::activation::apply::CURRENT;
use crate::activation::plan::{Goal, Plan};
use crate::host::fs::Root;
use crate::model::conflict::Conflict;
use crate::model::node::{Kind, Node};
use crate::store::generations;

/// Finds the accounts whose shell works now and will not after the plan.
///
/// # Errors
/// When a database or a path can't be read.
pub(super) fn find(root: &Root, plan: &Plan, accounts: &Decided) -> Result<Vec<Conflict>> {
    let becomes = becomes(plan);
    if becomes.is_empty() {
        return Ok(Vec::new());
    }
    let read = || {
        root.read(Path::new("etc/passwd"))
            .map(Option::unwrap_or_default)
    };
    let (before, after) = match &accounts.passwd {
        Some(passwd) => passwd.clone(),
        None => (read()?, read()?),
    };
    let look = |path: &str| look(root, path);
    let lost = crate::accounts::shells::find_lost(&before, &after, &becomes, &look)?;
    Ok(lost
        .into_iter()
        .map(crate::accounts::apply::conflict)
        .collect())
}

/// What the plan makes of paths.
fn becomes(plan: &Plan) -> Becomes {
    let mut becomes = Becomes::new();
    for change in plan.files.changes() {
        let stands = match &change.after {
            Node::Link { to } => Stands::Link(to.to_string()),
            Node::File { mode, .. } => file(*mode),
            Node::Folder => Stands::Folder,
            Node::Absent | Node::Special | Node::Blocked { .. } => Stands::Nothing,
        };
        becomes.insert(format!("/etc/{}", change.target), stands);
    }
    for change in &plan.tmpfiles.changes {
        let stands = match &change.after {
            None => Stands::Nothing,
            Some(object) => match &object.kind {
                Kind::Link { to } => Stands::Link(to.clone()),
                Kind::Folder => Stands::Folder,
                Kind::File { .. } => file(object.mode),
                _ => Stands::Other,
            },
        };
        becomes.insert(change.path.clone(), stands);
    }
    if plan.takeover.is_some() {
        // What made it at each boot goes.
        becomes
            .entry("/run/system-manager/sw".to_owned())
            .or_insert(Stands::Nothing);
    }
    match &plan.goal {
        Goal::Activate(toplevel) if plan.from.as_ref() != Some(toplevel) => {
            for link in [CURRENT, generations::PROFILE] {
                becomes.insert(format!("/{link}"), Stands::Link(toplevel.to_string()));
            }
        }
        Goal::Activate(_) => {}
        Goal::Deactivate => {
            becomes.insert(format!("/{CURRENT}"), Stands::Nothing);
        }
    }
    becomes
}

fn file(mode: u32) -> Stands {
    if mode & 0o111 == 0 {
        Stands::Other
    } else {
        Stands::Program
    }
}

/// What stands at a path of the host; the links on the way to it have been followed.
fn look(root: &Root, path: &str) -> Result<Stands> {
    use std::os::unix::fs::MetadataExt;
    let below = root.show(Path::new(path.trim_start_matches('/')));
    // What is not in this root's store may be in that of the running system, as with an activation of another root.
    let places = [
        Some(below),
        path.starts_with("/nix/store").then(|| path.into()),
    ];
    for place in places.into_iter().flatten() {
        let found = match place.symlink_metadata() {
            Ok(found) => found,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            // Who may not look there can't be shut out by us.
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => return Ok(Stands::Other),
            Err(e) => return Err(e).with_context(|| format!("reading {}", place.display())),
        };
        if found.is_symlink() {
            let to = std::fs::read_link(&place)
                .with_context(|| format!("reading {}", place.display()))?;
            return Ok(Stands::Link(to.to_string_lossy().into_owned()));
        }
        return Ok(if found.is_dir() {
            Stands::Folder
        } else if found.is_file() {
            file(found.mode())
        } else {
            Stands::Other
        });
    }
    Ok(Stands::Nothing)
}
