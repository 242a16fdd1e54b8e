//! The decision about the host's basics: which places change, and whether the running host gets another name. Pure.
//!
//! | wanted | there | what happens |
//! | --- | --- | --- |
//! | yes | as wanted, by others | nothing: it stays theirs |
//! | yes | something else of others | it is kept, and replaced |
//! | yes | ours, or nothing | it is written |
//! | yes | ours, changed by hand | the edit is kept, and it is put right |
//! | no | ours | what stood there before comes back |
//! | no | of others | nothing |

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::basics::places::{self, Choice, Form};
use crate::basics::record::BasicsRecord;
use crate::files::decide::{Keep, KeepReason, Verb};
use crate::model::conflict::Conflict;
use crate::model::in_etc;
use crate::model::manifest::Basics;
use crate::model::names::{FileName, TargetPath};
use crate::model::node::{Node, sha256_of};

#[cfg(test)]
mod tests;

/// What the host shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// What is at each place.
    pub places: BTreeMap<TargetPath, SeenPlace>,
    /// What each backup is.
    pub backups: BTreeMap<FileName, Node>,
    /// The name of the running host; none on another root.
    pub name: Option<String>,
    /// Whether the time zone that is wanted is there.
    pub has_zone: bool,
    /// Whether the distribution is Debian or made from it.
    pub is_debian: bool,
}

/// What is at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenPlace {
    /// What stands there.
    pub node: Node,
    /// What it says.
    pub text: String,
    /// What it said before ours came, where that is another text.
    pub before: Option<String>,
    /// Whether its folder is there.
    pub has_folder: bool,
}

impl Seen {
    /// Returns what stands at a place.
    pub(crate) fn node(&self, target: &TargetPath) -> &Node {
        self.places.get(target).map_or(&Node::Absent, |p| &p.node)
    }
}

/// What happens at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BasicsChange {
    /// The option that asks for it.
    pub option: String,
    /// Where, below `/etc`.
    #[serde(with = "in_etc")]
    #[schemars(with = "String")]
    pub target: TargetPath,
    /// What happens.
    pub verb: Verb,
    /// What stands there now.
    pub before: Node,
    /// What will stand there.
    pub after: Node,
    /// What it says now, for people.
    pub old: Option<String>,
    /// What it will say.
    pub new: Option<String>,
    /// What is put there; none when it goes.
    pub form: Option<Form>,
    /// What stands there is kept first.
    pub keep: Option<Keep>,
    /// What stood there before ours.
    pub backup: Option<FileName>,
    /// Whether it was changed by hand.
    pub drifted: bool,
}

/// The running host gets another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NameChange {
    /// What it is.
    pub from: String,
    /// What it becomes.
    pub to: String,
    /// Whether the configuration asks for it; else it is given back.
    pub is_ours: bool,
}

/// What is done about the host's basics.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BasicsPlan {
    /// What happens at each place.
    pub changes: Vec<BasicsChange>,
    /// The running host's name.
    pub name: Option<NameChange>,
    /// What is odd, and what to do about it.
    pub warnings: Vec<String>,
}

impl BasicsPlan {
    /// Whether nothing is done.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.name.is_none()
    }
}

/// What it is decided from.
pub(crate) struct Facts<'a> {
    /// What is wanted.
    pub wanted: &'a Basics,
    /// What is ours; settled.
    pub record: &'a BasicsRecord,
    /// What is there.
    pub seen: &'a Seen,
    /// What is an entry of the configuration, before this run or after it.
    pub entries: &'a BTreeSet<&'a TargetPath>,
    /// The number of the next backup.
    pub next_backup: u64,
}

/// Decides about the basics. Pure.
///
/// # Errors
/// Never: a text in memory can be hashed.
pub(crate) fn decide(facts: &Facts<'_>) -> Result<(BasicsPlan, Vec<Conflict>)> {
    let mut conflicts = check(facts);
    let mut plan = BasicsPlan::default();
    let mut next_backup = facts.next_backup;
    let wanted = wanted_places(facts, &mut conflicts);
    let targets: BTreeSet<&TargetPath> = wanted.keys().chain(facts.record.places.keys()).collect();
    for target in targets {
        if is_an_entry(facts.entries, target) {
            conflicts.push(one_of_two(target));
            continue;
        }
        match decide_place(facts, target, wanted.get(target))? {
            Err(conflict) => conflicts.push(conflict),
            Ok(None) => {}
            Ok(Some(mut change)) => {
                if let Some(keep) = &mut change.keep {
                    keep.backup = FileName::numbered(next_backup, target);
                    next_backup += 1;
                    if keep.reason == KeepReason::Foreign {
                        change.backup = Some(keep.backup.clone());
                    }
                }
                plan.changes.push(change);
            }
        }
    }
    plan.name = decide_name(facts);
    Ok((plan, conflicts))
}

fn check(facts: &Facts<'_>) -> Vec<Conflict> {
    let wrong = places::check(facts.wanted).into_iter();
    let mut conflicts: Vec<Conflict> = wrong
        .map(|(option, value)| Conflict {
            subject: format!("the option `{option}`"),
            cause: format!("is {value:?}, which is not valid"),
            remedy: "change the configuration".to_owned(),
        })
        .collect();
    if let Some(zone) = facts
        .wanted
        .time_zone
        .as_ref()
        .filter(|_| !facts.seen.has_zone)
    {
        conflicts.push(Conflict {
            subject: "the option `time.timeZone`".to_owned(),
            cause: format!("is `{zone}`, but this host has no {}{zone}", places::ZONES),
            remedy: "correct it (`timedatectl list-timezones`), or install the package `tzdata` (for old names `tzdata-legacy`)"
                .to_owned(),
        });
    }
    conflicts
}

/// Whether an entry takes this place: as a file, as a folder with files in it, or by a file above it.
fn is_an_entry(entries: &BTreeSet<&TargetPath>, target: &TargetPath) -> bool {
    let is_above = |entry: &&TargetPath| entry.parents().any(|folder| folder == *target);
    entries.contains(target)
        || target.parents().any(|folder| entries.contains(&folder))
        || entries.iter().any(is_above)
}

fn one_of_two(target: &TargetPath) -> Conflict {
    let option = places::option_of(target.as_str()).unwrap_or_default();
    Conflict {
        subject: format!("/etc/{target}"),
        cause: format!("is managed by `{option}`, and also an entry of `environment.etc`"),
        remedy: format!(
            "set only `{option}`; to change from one to the other, first switch to a configuration that has neither"
        ),
    }
}

/// What is wanted at each place.
fn wanted_places(facts: &Facts<'_>, conflicts: &mut Vec<Conflict>) -> BTreeMap<TargetPath, Form> {
    let seen = |target: &str| facts.seen.places.get(target);
    let is_ours = |target: &str| facts.record.places.contains_key(target);
    let look = |target: &str| Choice {
        is_file: is_ours(target)
            || seen(target).is_some_and(|p| matches!(p.node, Node::File { .. })),
        has_folder: seen(target).is_some_and(|p| p.has_folder),
    };
    let is_debian = facts.seen.is_debian;
    let mut targets = vec![
        places::HOSTNAME,
        places::LOCALTIME,
        places::choose(places::LOCALES, look, is_debian),
        places::choose(places::KEYBOARDS, look, is_debian),
    ];
    if look(places::TIMEZONE).is_file {
        targets.push(places::TIMEZONE);
    }
    let mut wanted = BTreeMap::new();
    for target in targets {
        let place = seen(target);
        let before = match place {
            // What we have made says nothing of what was there.
            Some(place) if is_ours(target) => place.before.as_deref().unwrap_or_default(),
            Some(place) => &place.text,
            None => "",
        };
        match (target.parse(), places::render(target, facts.wanted, before)) {
            (Ok(target), Some(Ok(form))) => {
                wanted.insert(target, form);
            }
            (_, Some(Err(cause))) => conflicts.push(Conflict {
                subject: "the option `console.keyMap`".to_owned(),
                cause: format!("can't be set: {cause}"),
                remedy: "name another map, or set the layout with `dpkg-reconfigure keyboard-configuration`"
                    .to_owned(),
            }),
            (_, None) | (Err(_), _) => {}
        }
    }
    wanted
}

/// Decides about one place; an inner error is what forbids it.
fn decide_place(
    facts: &Facts<'_>,
    target: &TargetPath,
    wanted: Option<&Form>,
) -> Result<Result<Option<BasicsChange>, Conflict>> {
    let now = facts.seen.node(target);
    let owned = facts.record.places.get(target);
    let ours = owned.and_then(|o| o.node.is.as_ref());
    let drifted = ours.is_some_and(|is| is != now);
    let is_text = matches!(now, Node::File { .. } | Node::Link { .. });
    if !is_text && *now != Node::Absent {
        return Ok(if wanted.is_none() && owned.is_none() {
            Ok(None)
        } else {
            Err(in_the_way(target))
        });
    }
    let backup = owned.and_then(|o| o.backup.as_ref());
    let after = match (wanted, backup) {
        (Some(form), _) => node_of(form)?,
        (None, Some(id)) => match facts.seen.backups.get(id) {
            Some(Node::Absent) | None => return Ok(Err(lost_backup(target, id))),
            Some(node) => node.clone(),
        },
        (None, None) => Node::Absent,
    };
    let Some(verb) = verb_of(wanted.is_some(), ours, now, &after, backup.is_some()) else {
        return Ok(Ok(None));
    };
    let reason = match (verb, ours) {
        (Verb::Adopt | Verb::Forget, _) => None,
        (_, None) if is_text => Some(KeepReason::Foreign),
        (_, Some(_)) if is_text && drifted => Some(KeepReason::Drift),
        _ => None,
    };
    let place = facts.seen.places.get(target);
    let before = place.and_then(|p| p.before.as_deref()).unwrap_or_default();
    Ok(Ok(Some(BasicsChange {
        option: places::option_of(target.as_str())
            .unwrap_or_default()
            .to_owned(),
        target: target.clone(),
        verb,
        before: now.clone(),
        old: is_text.then(|| shown(place.map_or("", |p| &p.text), now)),
        new: match wanted {
            Some(form) => Some(places::show(form)),
            None if after == Node::Absent => None,
            None => Some(shown(before, &after)),
        },
        after,
        form: wanted.cloned(),
        keep: reason.map(|reason| Keep {
            backup: FileName::numbered(0, target),
            reason,
        }),
        backup: backup.cloned(),
        drifted,
    })))
}

/// Returns what stands somewhere, for people.
fn shown(text: &str, node: &Node) -> String {
    match node {
        Node::Link { to } => places::show(&Form::Link(to.to_string())),
        _ => places::show(&Form::Text(text.to_owned())),
    }
}

/// What happens to a place that comes from `now` to `after`; none where nothing does.
fn verb_of(
    is_wanted: bool,
    ours: Option<&Node>,
    now: &Node,
    after: &Node,
    has_backup: bool,
) -> Option<Verb> {
    Some(match (is_wanted, ours) {
        // By someone else's hand: it stays theirs, with their mode.
        (true, None) if is_same(now, after) => return None,
        (true, Some(is)) if now == after && is == after => return None,
        (true, _) if now == after => Verb::Adopt,
        (true, _) if *now == Node::Absent => Verb::Add,
        (true, _) => Verb::Change,
        (false, None) => return None,
        (false, Some(_)) if now == after => Verb::Forget,
        (false, Some(_)) if has_backup => Verb::Restore,
        (false, Some(_)) => Verb::Remove,
    })
}

/// Whether what others have is as it is wanted; permission bits and owner are theirs.
fn is_same(now: &Node, wanted: &Node) -> bool {
    match (now, wanted) {
        (Node::File { sha256: a, .. }, Node::File { sha256: b, .. }) => a == b,
        // `../usr` of systemd and `/usr` of Debian are one.
        (Node::Link { to: a }, Node::Link { to: b }) => {
            a.trim_start_matches("..") == b.trim_start_matches("..")
        }
        _ => false,
    }
}

fn node_of(form: &Form) -> Result<Node> {
    Ok(match form {
        Form::Link(to) => Node::Link {
            to: to.as_str().into(),
        },
        Form::Text(text) => Node::File {
            sha256: sha256_of(text.as_bytes())?,
            mode: 0o644,
            uid: 0,
            gid: 0,
        },
    })
}

fn in_the_way(target: &TargetPath) -> Conflict {
    Conflict {
        subject: format!("/etc/{target}"),
        cause: "is neither a file nor a link".to_owned(),
        remedy: "move it away, or leave out the option".to_owned(),
    }
}

fn lost_backup(target: &TargetPath, id: &FileName) -> Conflict {
    let folder = crate::store::backups::FOLDER;
    Conflict {
        subject: format!("/etc/{target}"),
        cause: format!("the backup `{id}` of the original is missing"),
        remedy: format!(
            "put the original there, as /{folder}/{id}, or any file if you do not need it"
        ),
    }
}

/// Decides about the name of the running host; on another root there is none.
fn decide_name(facts: &Facts<'_>) -> Option<NameChange> {
    let now = facts.seen.name.as_ref()?;
    let owned = facts.record.name.as_ref();
    let ours = owned.and_then(|o| o.name.is.as_ref());
    let change = |to: &str, is_ours| {
        Some(NameChange {
            from: now.clone(),
            to: to.to_owned(),
            is_ours,
        })
    };
    match (&facts.wanted.host_name, owned) {
        (Some(name), Some(_)) if ours == Some(name) && now == name => None,
        (Some(name), None) if now == name => None,
        (Some(name), _) => change(name, true),
        // Somebody else has named it since.
        (None, Some(_)) if ours != Some(now) => change(now, false),
        (None, Some(owned)) => change(&owned.before, false),
        (None, None) => None,
    }
}

/// Returns what was changed by hand: each place, with whether it is gone, and the running host's name. Pure.
#[must_use]
pub(crate) fn find_drift(
    record: &BasicsRecord,
    seen: &Seen,
) -> (BTreeMap<TargetPath, bool>, Option<NameChange>) {
    let mut places = BTreeMap::new();
    for (target, owned) in &record.places {
        let now = seen.node(target);
        if owned.node.is.as_ref() != Some(now) {
            places.insert(target.clone(), *now == Node::Absent);
        }
    }
    let ours = record.name.as_ref().and_then(|n| n.name.is.as_ref());
    let name = match (ours, &seen.name) {
        (Some(ours), Some(now)) if ours != now => Some(NameChange {
            from: now.clone(),
            to: ours.clone(),
            is_ours: true,
        }),
        _ => None,
    };
    (places, name)
}

/// Returns what was changed by hand, by option, for people. Pure.
#[must_use]
pub(crate) fn settings_by_hand(record: &BasicsRecord, seen: &Seen) -> BTreeMap<String, String> {
    let (changed, name) = find_drift(record, seen);
    let options = changed
        .keys()
        .filter_map(|place| places::option_of(place.as_str()));
    let changed = options.map(|option| (option.to_owned(), "(changed by hand)".to_owned()));
    let name = name.map(|name| ("networking.hostName".to_owned(), name.from));
    changed.chain(name).collect()
}
