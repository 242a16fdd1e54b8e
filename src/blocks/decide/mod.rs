//! Lines of ours in files of the distribution: a marked block, whose removal gives back what was there. Pure.
//!
//! Only what is between the marks is ours. All else in the file is someone else's, and may change meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::record::{BlocksRecord, Origin, OwnedBlock};
use crate::files::decide::{FilesPlan, Keep, KeepReason};
use crate::files::record::OwnedFolder;
use crate::model::conflict::Conflict;
use crate::model::in_etc;
use crate::model::names::{FileName, TargetPath};
use crate::model::node::Node;
use crate::model::text_diff;

#[cfg(test)]
mod tests;

/// The line above a block.
pub(crate) const BEGIN: &str =
    "# The lines from here on are system-manager's; change them in its configuration.";
/// The line below a block.
pub(crate) const END: &str = "# The lines of system-manager end here.";

/// What happens to a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum BlockVerb {
    /// It is added.
    Add,
    /// Its lines change.
    Change,
    /// It is removed.
    Remove,
    /// It is already as configured; only the record changes.
    Adopt,
    /// It is gone already; only the record goes.
    Forget,
}

/// One change of a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BlockChange {
    /// The file, below `/etc`.
    #[serde(with = "in_etc")]
    #[schemars(with = "String")]
    pub target: TargetPath,
    /// What happens.
    pub verb: BlockVerb,
    /// What the file is before.
    pub before: Node,
    /// The lines that are wanted.
    pub text: Option<String>,
    /// How the block came into the file.
    pub origin: Origin,
    /// The copy that is made of the file first, since its block was changed by hand.
    pub keep: Option<Keep>,
    /// Whether the block was changed or removed by hand.
    pub drifted: bool,
    /// The difference of the file.
    pub diff: Option<String>,
}

/// What is there of a file that has, or is to have, a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What stands there.
    pub node: Node,
    /// What is in it, if it is a regular file.
    pub content: Option<Vec<u8>>,
    /// Whether the folder that it is in is there.
    pub has_folder: bool,
}

/// What blocks are decided from.
pub(crate) struct Facts<'a> {
    /// The lines that are wanted.
    pub wanted: &'a BTreeMap<TargetPath, String>,
    /// Those that are ours; settled.
    pub record: &'a BlocksRecord,
    /// What is there, of both.
    pub seen: &'a BTreeMap<TargetPath, Seen>,
    /// Folders that are ours.
    pub owned_folders: &'a BTreeMap<TargetPath, OwnedFolder>,
    /// What happens to entries in the same run.
    pub files: &'a FilesPlan,
    /// The number of the next backup.
    pub next_backup: u64,
}

/// Decides about the blocks of a host: those that are wanted, and those that are ours. Pure.
#[must_use]
pub(crate) fn decide(facts: &Facts<'_>) -> (Vec<BlockChange>, Vec<Conflict>) {
    let Facts {
        wanted,
        record,
        files,
        ..
    } = facts;
    let targets: BTreeSet<&TargetPath> = wanted.keys().chain(record.0.keys()).collect();
    let (mut changes, mut conflicts) = (Vec::new(), Vec::new());
    let mut next_backup = facts.next_backup;
    for target in targets {
        let Some(seen) = facts.seen.get(target) else {
            continue;
        };
        let owned = record.0.get(target);
        let is_entry = files.changes().any(|c| c.target == *target);
        match plan_block(target, wanted.get(target), owned, seen) {
            Err(_) if is_entry => conflicts.push(one_step(target)),
            Err(conflict) => conflicts.push(conflict),
            Ok(None) => {}
            Ok(Some(mut change)) => {
                let writes = !matches!(change.verb, BlockVerb::Adopt | BlockVerb::Forget);
                if writes && is_entry {
                    conflicts.push(one_step(target));
                } else if writes && change.before == Node::Absent {
                    conflicts.extend(check_folder(target, seen, facts.owned_folders));
                }
                if let Some(keep) = &mut change.keep {
                    keep.backup = FileName::numbered(next_backup, target);
                    next_backup += 1;
                }
                change.diff = diff(seen, &change);
                changes.push(change);
            }
        }
    }
    (changes, conflicts)
}

/// An entry of ours becomes lines of ours, or the reverse: what is kept of the file, or put back, would have the wrong
/// lines.
fn one_step(target: &TargetPath) -> Conflict {
    Conflict {
        subject: format!("/etc/{target}"),
        cause:
            "can't change in one step between a managed file and a foreign file with managed lines"
                .to_owned(),
        remedy: "first switch to a configuration that has neither".to_owned(),
    }
}

/// A file can be made in a folder of others only: one of ours goes before the lines do, and only when it is empty.
fn check_folder(
    target: &TargetPath,
    seen: &Seen,
    owned: &BTreeMap<TargetPath, OwnedFolder>,
) -> Option<Conflict> {
    let folder = target.parents().last()?;
    (owned.contains_key(&folder) || !seen.has_folder).then(|| Conflict {
        subject: format!("/etc/{target}"),
        cause: "does not exist, and its folder does not exist or is managed".to_owned(),
        remedy: "install the package that it belongs to, or make it an entry of `environment.etc`"
            .to_owned(),
    })
}

/// Decides about one block. Pure.
fn plan_block(
    target: &TargetPath,
    wanted: Option<&String>,
    owned: Option<&OwnedBlock>,
    seen: &Seen,
) -> Result<Option<BlockChange>, Conflict> {
    let conflict = |cause: &str, remedy: &str| Conflict {
        subject: format!("/etc/{target}"),
        cause: cause.to_owned(),
        remedy: remedy.to_owned(),
    };
    match (&seen.node, wanted) {
        (Node::File { .. } | Node::Absent, _) | (_, None) => {}
        _ => {
            return Err(conflict(
                "is not a regular file, but lines should be added to it",
                "replace it by a regular file, or remove the lines from the configuration",
            ));
        }
    }
    if wanted.is_some_and(|text| text.lines().any(|l| l == BEGIN || l == END)) {
        return Err(conflict(
            "should get lines that look like the markers around them",
            "remove them from the configuration",
        ));
    }
    let content = seen.content.as_deref().unwrap_or_default();
    let block = find(content).map_err(|()| {
        conflict(
            "has markers of system-manager that are not a single pair",
            &format!("remove the lines `{BEGIN}` and `{END}`, and the managed lines"),
        )
    })?;
    let now = block.as_ref().map(|b| lines_of(content, b));
    let is_ours = owned.is_some_and(|o| o.text.is == now);
    let Some(verb) = verb_for(wanted, owned, now.as_ref()) else {
        return Ok(None);
    };
    let origin = match (owned, &now) {
        (Some(owned), Some(_)) => owned.origin,
        (None, Some(_)) => Origin::default(),
        (_, None) => Origin {
            made: seen.content.is_none(),
            joined: content.last().is_some_and(|b| *b != b'\n'),
        },
    };
    let loses = matches!(verb, BlockVerb::Change | BlockVerb::Remove) && !is_ours;
    Ok(Some(BlockChange {
        target: target.clone(),
        verb,
        before: seen.node.clone(),
        text: wanted.cloned(),
        origin,
        keep: loses.then(|| Keep {
            backup: FileName::numbered(0, target),
            reason: KeepReason::Drift,
        }),
        drifted: loses || verb == BlockVerb::Add && owned.is_some() && !is_ours,
        diff: None,
    }))
}

/// What is done to the lines; none when they are as wanted, or nobody's business of ours. Pure.
fn verb_for(
    wanted: Option<&String>,
    owned: Option<&OwnedBlock>,
    now: Option<&String>,
) -> Option<BlockVerb> {
    Some(match (wanted, now) {
        (Some(text), Some(now)) if text == now => {
            if owned.is_some_and(|o| o.text.is.as_ref() == Some(now)) {
                return None;
            }
            BlockVerb::Adopt
        }
        (Some(_), Some(_)) => BlockVerb::Change,
        (Some(_), None) => BlockVerb::Add,
        // It looks like ours, but nobody knows of it.
        (None, _) if owned.is_none() => return None,
        (None, Some(_)) => BlockVerb::Remove,
        (None, None) => BlockVerb::Forget,
    })
}

/// Finds the block, marks included. Pure.
fn find(content: &[u8]) -> Result<Option<Range<usize>>, ()> {
    let (mut begins, mut ends, mut at) = (Vec::new(), Vec::new(), 0);
    for line in content.split_inclusive(|b| *b == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let marks = [BEGIN.as_bytes(), END.as_bytes()];
        if text.strip_suffix(b"\r").is_some_and(|t| marks.contains(&t)) {
            // An editor has given all lines another end; ours are not told from others then.
            return Err(());
        }
        if text == BEGIN.as_bytes() {
            begins.push(at);
        }
        at += line.len();
        if text == END.as_bytes() {
            ends.push(at);
        }
    }
    match (begins.as_slice(), ends.as_slice()) {
        ([], []) => Ok(None),
        ([begin], [end]) if begin < end => Ok(Some(*begin..*end)),
        _ => Err(()),
    }
}

/// Returns what is in a file besides our lines; all of it where the marks are not one pair. Pure.
pub(crate) fn without_ours(seen: &Seen) -> Vec<u8> {
    let mut content = seen.content.clone().unwrap_or_default();
    if let Ok(Some(block)) = find(&content) {
        content.drain(block);
    }
    content
}

/// Returns our lines in a file, or none; an error where the marks are not one pair. Pure.
pub(crate) fn lines_in(seen: &Seen) -> Result<Option<String>, ()> {
    let content = seen.content.as_deref().unwrap_or_default();
    Ok(find(content)?.map(|block| lines_of(content, &block)))
}

/// Gives what is between the marks. Pure.
fn lines_of(content: &[u8], block: &Range<usize>) -> String {
    let inside = &content[block.start + BEGIN.len() + 1..block.end];
    let inside = inside.strip_suffix(b"\n").unwrap_or(inside);
    let lines = &inside[..inside.len() - END.len()];
    String::from_utf8_lossy(lines).into_owned()
}

/// Gives the file with the block changed; none when there is nothing left that was there without it. Pure.
pub(crate) fn render(content: Option<&[u8]>, change: &BlockChange) -> Option<Vec<u8>> {
    let content = content.unwrap_or_default();
    // A pair that is damaged was a conflict.
    let block = find(content).unwrap_or_default();
    let range = block.clone().unwrap_or(content.len()..content.len());
    let (mut before, after) = (content[..range.start].to_vec(), &content[range.end..]);
    if let Some(text) = &change.text {
        if before.last().is_some_and(|b| *b != b'\n') {
            before.push(b'\n');
        }
        before.extend(format!("{BEGIN}\n{text}{END}\n").bytes());
    } else if change.origin.joined && after.is_empty() && block.is_some() {
        before.pop();
    }
    before.extend(after);
    let is_left_over = change.text.is_none() && change.origin.made && before.is_empty();
    (!is_left_over).then_some(before)
}

fn diff(seen: &Seen, change: &BlockChange) -> Option<String> {
    if matches!(change.verb, BlockVerb::Adopt | BlockVerb::Forget) {
        return None;
    }
    if matches!(seen.node, Node::File { mode, .. } if mode & 0o004 == 0) {
        return Some(text_diff::HIDDEN.to_owned());
    }
    let after = render(seen.content.as_deref(), change).unwrap_or_default();
    let before = seen.content.as_deref().unwrap_or_default();
    Some(text_diff::render(before, &after))
}

/// Returns the blocks that are not as they were left: gone (true), or changed. Pure.
#[must_use]
pub(crate) fn find_drift(
    record: &BlocksRecord,
    seen: &BTreeMap<TargetPath, Seen>,
) -> BTreeMap<TargetPath, bool> {
    let mut drift = BTreeMap::new();
    for (target, owned) in &record.0 {
        let now = seen.get(target).map_or(Ok(None), lines_in);
        if now.as_ref() != Ok(&owned.text.is) {
            drift.insert(target.clone(), now == Ok(None));
        }
    }
    drift
}
