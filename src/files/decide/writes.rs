//! What comes or changes: files that are wanted, and what stands where they go.

use super::{FileChange, KeepReason, Planner, Verb, Wanted, node};
use crate::files::built::STORE;
use crate::files::record::OwnedFile;
use crate::model::names::TargetPath;
use crate::model::node::Node;

/// Where files are placed that are no entries of `environment.etc`.
const GENERATED: [&str; 2] = ["systemd/", "tmpfiles.d/"];

impl Planner<'_> {
    pub(super) fn plan_write(
        &mut self,
        target: &TargetPath,
        wanted: &Wanted,
        (owned, before): (Option<&OwnedFile>, &Node),
        folder_goes: bool,
    ) {
        let before = match before {
            Node::Folder if folder_goes => &Node::Absent,
            Node::Blocked { at } if self.goes(at) => &Node::Absent,
            other => other,
        };
        // Nearly always: everything is as it was left, and is wanted so.
        let is_as_wanted = |owned: &OwnedFile| {
            *before == wanted.node
                && *owned.node() == wanted.node
                && owned.source() == Some(&wanted.source)
        };
        if owned.is_some_and(is_as_wanted) {
            return;
        }
        let mut change = self.change_to(target, wanted, before);
        match (before, owned) {
            // Reported for the folder that is in the way.
            (Node::Blocked { .. }, _) => return,
            (Node::Folder, _) => {
                return self.refuse(target, "is a folder, but a file must be there");
            }
            (Node::Special, _) => {
                let cause = "is a device, socket or pipe, but a file must be there";
                return self.refuse(target, cause);
            }
            (seen, Some(_)) if *seen == wanted.node => {
                // Only the record changes: same content from another source, or put right by hand.
                change.verb = Verb::Adopt;
            }
            (seen, Some(owned)) if seen != owned.node() && *seen != Node::Absent => {
                change.keep = Some(self.keep(target, KeepReason::Drift));
            }
            (_, Some(_)) | (Node::Absent, None) => {}
            (Node::Link { .. }, None) if *before == wanted.node => {
                if !self.is_surely_ours(target, &wanted.source) {
                    // As wanted already, by someone else's hand: it stays theirs.
                    return;
                }
                change.verb = Verb::Adopt;
            }
            // It is described, and needs no replacing: it stays theirs until something else is wanted.
            (seen, None) if wanted.replace_existing && is_alike(target, wanted, seen) => return,
            (_, None) => {
                let vendor = self.seen.vendors.get(target);
                // What a package has shipped, and nobody has edited, is the package's to give again.
                if !wanted.replace_existing && !vendor.is_some_and(|v| v.is_pristine) {
                    return self.refuse_foreign(target);
                }
                let keep = self.keep(target, KeepReason::Foreign);
                change.backup = Some(keep.backup.clone());
                change.keep = Some(keep);
                change.package = vendor.map(|vendor| vendor.package.clone());
            }
        }
        self.plan.writes.push(change);
    }

    fn change_to(&self, target: &TargetPath, wanted: &Wanted, before: &Node) -> FileChange {
        let owned = self.record.entries.get(target);
        let folder = self.record.folders.get(target);
        let carried = folder.and_then(|folder| folder.backup.clone());
        FileChange {
            verb: if *before == Node::Absent {
                Verb::Add
            } else {
                Verb::Change
            },
            before: node(self.seen, target).clone(),
            after: wanted.node.clone(),
            source: Some(wanted.source.clone()),
            was: owned.and_then(|o| o.source().cloned()),
            backup: owned.map_or(carried, |o| o.backup.clone()),
            drifted: owned.is_some_and(|o| o.node() != before),
            built: wanted.built.clone(),
            why_copy: wanted.why_copy.clone(),
            package: owned.and_then(|o| o.package.clone()),
            ..FileChange::of(target)
        }
    }

    fn refuse(&mut self, target: &TargetPath, cause: &str) {
        self.conflict(target, cause, "move it away, or remove the entry");
    }

    fn refuse_foreign(&mut self, target: &TargetPath) {
        let cause = match self.seen.vendors.get(target) {
            Some(vendor) => format!(
                "is an edited file of the package `{}`, and is not managed by system-manager",
                vendor.package
            ),
            None => "exists and is not managed by system-manager".to_owned(),
        };
        let path = target.as_str();
        let option = if GENERATED.iter().any(|folder| path.starts_with(folder)) {
            format!("`system-manager.replaceExisting = [ {path:?} ]`")
        } else {
            format!("`environment.etc.{path:?}.replaceExisting = true`")
        };
        let remedy = format!("move it away, or set {option} to have it backed up and replaced");
        self.conflict(target, &cause, &remedy);
    }

    /// Says whether a link that is not in the state can only have been made by us.
    fn is_surely_ours(&self, target: &TargetPath, source: &str) -> bool {
        if source.starts_with(STORE) {
            return true;
        }
        let folder = target.parents().last();
        let sibling = match (source.strip_prefix("../"), folder) {
            (Some(name), Some(folder)) => match folder.parents().last() {
                Some(above) => above.join(name),
                None => name.parse(),
            },
            (None, Some(folder)) => folder.join(source),
            (_, None) => source.parse(),
        };
        sibling.is_ok_and(|path| {
            self.desired
                .get(&path)
                .is_some_and(|w| w.source.starts_with(STORE) && *node(self.seen, &path) == w.node)
        })
    }
}

/// Whether what others have is as good as what is wanted.
fn is_alike(target: &TargetPath, wanted: &Wanted, seen: &Node) -> bool {
    if *seen == wanted.node || wanted.alike.as_ref() == Some(seen) {
        return true;
    }
    match (seen, &wanted.node) {
        (Node::Link { to: theirs }, Node::Link { to: ours }) => {
            let theirs = destination(target, theirs);
            theirs.is_some() && theirs == destination(target, ours)
        }
        _ => false,
    }
}

/// The path that a link at a target leads to, as far as its text tells: the folders above a target are no links, all others
/// may be. None where it leads up after it has led down.
pub(crate) fn destination(target: &TargetPath, to: &str) -> Option<String> {
    let mut folder: Vec<&str> = match to.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => std::iter::once("etc")
            .chain(target.as_str().split('/'))
            .collect(),
    };
    folder.pop();
    let mut rest = to.trim_start_matches('/');
    while let Some(above) = rest.strip_prefix("../") {
        folder.pop();
        rest = above;
    }
    let parts = rest
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".");
    let parts: Vec<&str> = folder.into_iter().chain(parts).collect();
    (!parts.contains(&"..")).then(|| parts.join("/"))
}
